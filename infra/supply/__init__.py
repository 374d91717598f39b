"""What comes from others: under which licences, with which known faults, and in which lists of parts."""
