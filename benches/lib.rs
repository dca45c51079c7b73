//! What the benches share: nets to measure and a way to take ratios.
