// What FHIRPath finds in resources by the expressions of search parameters: an opinion that is not ours.
import fhirpath from 'fhirpath';
import model from 'fhirpath/fhir-context/r4/index.js';
import { readFileSync } from 'fs';

const [resources, definitions] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')));
const get = (resource, expression) => fhirpath.evaluate(resource, expression, null, model);
const found = [];
for (const resource of resources) {
  const type = resource.resourceType;
  for (const { code, base, expression, component } of definitions) {
    if (!base.includes(type)) continue;
    for (const part of expression.split(' | ')) {
      if (!part.replace(/^\(/, '').startsWith(`${type}.`) && part !== type) continue;
      const local = part.replace(/resolve\(\) is (\w+)/g, "reference.contains('$1/')");
      try {
        const values = get(resource, local);
        const pair = (value) => component.map((one) => get(value, one.expression)[0]);
        if (values.length) found.push([type, resource.id, code, component ? values.map(pair) : values]);
      } catch (error) {
        if (!/singleton/.test(error)) throw error; // `as` of a list, which R4 writes and FHIRPath forbids
      }
    }
  }
}
console.log(JSON.stringify(found));
