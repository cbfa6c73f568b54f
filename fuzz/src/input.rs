//! Bytes as numbers, one after the other, and zeros once there are no more: every input means something.

pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Any bits: also infinities and what is no number.
    pub(crate) fn f32(&mut self) -> f32 {
        f32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Mostly between 0 and 1, sometimes anything.
    pub(crate) fn share(&mut self) -> f32 {
        match self.byte() {
            255 => self.f32(),
            254 => -f32::from(self.byte()) / 16.0,
            byte => f32::from(byte) / 250.0,
        }
    }

    /// So many bytes, or what is left.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The parts between marks that stand in no text and hardly in a file.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = Some(self.0);
        std::iter::from_fn(move || {
            let bytes = rest?;
            let mark = bytes.windows(MARK.len()).position(|window| window == MARK);
            rest = mark.map(|at| &bytes[at + MARK.len()..]);
            Some(&bytes[..mark.unwrap_or(bytes.len())])
        })
    }
}

/// Between the parts of an input that stands for several files.
const MARK: &[u8] = b"\n\xff\xfe\n";
