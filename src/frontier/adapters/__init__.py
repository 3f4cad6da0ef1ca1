"""The edge: one port each; foreign errors end here."""
