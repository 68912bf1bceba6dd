"""The hands of commissioning: lines, bedside alarm, broker, disk, in the order in which a bed is tried."""
