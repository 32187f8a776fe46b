"""The first loop: from sensors to the queue, a task a sensor, at periods aligned to the wall clock."""
