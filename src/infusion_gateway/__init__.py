"""Infusion Gateway: supervises an IV infusion session at the bedside. Not a certified medical device."""
