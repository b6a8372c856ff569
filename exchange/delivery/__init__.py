"""What goes out by itself: subscriptions, deliveries, receipts, recall.

An event leaves the outbox for each subscription it concerns; what is sent is read as the recipient, decided
and recorded at the moment of sending, and sent again until the recipient says it has it.
"""
