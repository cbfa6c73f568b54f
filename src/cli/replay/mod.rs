//! `eyewitness replay`: recordings through the same pipeline as a camera, as fast as they can be understood, on their
//! own clock.

mod truth;
