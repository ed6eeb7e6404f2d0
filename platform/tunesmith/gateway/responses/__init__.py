"""The responses resource: what is asked, how it is answered, the events of its stream."""
