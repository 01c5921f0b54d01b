"""Made-up recordings of pianos in rooms, with the truth about every note in them."""
