"""Events to sound: the schedule, the player's thread, and what it plays on."""
