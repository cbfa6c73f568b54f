//! Pictures: reading files, and the way from a picture to the numbers that a model eats. Pure.
