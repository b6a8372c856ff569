import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.*;
import org.hl7.fhir.common.hapi.validation.support.*;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import java.io.*;
import java.nio.charset.StandardCharsets;

/**
 * One resource per line on standard input; for each of its messages `line TAB severity TAB location TAB words`.
 * Arguments are packages of profiles on the class path, such as `us_core_610.tgz`.
 */
public class Parity {
  public static void main(String[] arguments) throws Exception {
    FhirContext context = FhirContext.forR4();
    NpmPackageValidationSupport packages = new NpmPackageValidationSupport(context);
    for (String name : arguments) packages.loadPackageFromClasspath("classpath:" + name);
    ValidationSupportChain chain = new ValidationSupportChain(
        packages, new DefaultProfileValidationSupport(context), new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context), new SnapshotGeneratingValidationSupport(context),
        new UnknownCodeSystemWarningValidationSupport(context));
    FhirInstanceValidator instance = new FhirInstanceValidator(chain);
    instance.setAnyExtensionsAllowed(true);
    instance.setErrorForUnknownProfiles(false);
    FhirValidator validator = context.newValidator().registerValidatorModule(instance);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    int number = 0;
    for (String line; (line = lines.readLine()) != null; number++) {
      try {
        for (SingleValidationMessage message : validator.validateWithResult(line).getMessages())
          out.println(number + "\t" + message.getSeverity() + "\t" + message.getLocationString() + "\t"
              + message.getMessage().replace('\n', ' ').replace('\t', ' '));
      } catch (RuntimeException error) { // what its parser cannot read at all
        out.println(number + "\tFATAL\t\t" + error.getClass().getSimpleName());
      }
    }
  }
}
