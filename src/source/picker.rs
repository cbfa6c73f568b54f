//! Which access units can be decoded at all: decoding begins with a keyframe, and again after a hole. Pure.

use super::settings::Decode;

/// So many units without any keyframe, and the stream is taken for one that refreshes itself bit by bit.
const PATIENCE: u32 = 300;

#[derive(Debug)]
pub(super) struct Picker {
    decode: Decode,
    awaits_key: bool,
    waited: u32,
}

impl Picker {
    pub(super) fn new(decode: Decode) -> Self {
        Self { decode, awaits_key: true, waited: 0 }
    }

    /// Whether to decode the next unit. `key`: it stands alone. `full`: the decoder cannot take it now.
    pub(super) fn picks(&mut self, key: bool, full: bool) -> bool {
        if full {
            // What follows builds on the unit that is left out here.
            self.awaits_key = true;
            self.waited = 0;
            return false;
        }
        if key {
            self.awaits_key = false;
            return true;
        }
        if self.decode == Decode::Keyframes {
            return false;
        }
        if self.awaits_key {
            self.waited += 1;
            self.awaits_key = self.waited < PATIENCE;
        }
        !self.awaits_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(decode: Decode, units: &[(bool, bool)]) -> Vec<bool> {
        let mut picker = Picker::new(decode);
        units.iter().map(|&(key, full)| picker.picks(key, full)).collect()
    }

    #[test]
    fn decoding_begins_with_a_keyframe() {
        let units = [(false, false), (true, false), (false, false)];
        assert_eq!(picked(Decode::Auto, &units), [false, true, true]);
        assert_eq!(picked(Decode::Keyframes, &units), [false, true, false]);
    }

    #[test]
    fn after_a_unit_was_left_out_it_begins_again() {
        let units = [(true, false), (false, true), (false, false), (true, false), (false, false)];
        assert_eq!(picked(Decode::All, &units), [true, false, false, true, true]);
    }

    #[test]
    fn a_stream_that_never_has_a_keyframe_is_decoded_all_the_same() {
        let mut picker = Picker::new(Decode::All);
        let skipped = (0..1000).filter(|_| !picker.picks(false, false)).count();
        assert_eq!(skipped, PATIENCE as usize - 1);
        let mut picker = Picker::new(Decode::Keyframes);
        assert!((0..1000).all(|_| !picker.picks(false, false)));
    }
}
