"""What `tidegauge bench detection` measures with: public labelled series, peers, scoring rules."""
