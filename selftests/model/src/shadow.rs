//! What is known of the stack beside its bytes: written or not, and made from what.
//!
//! Each aligned word of eight bytes has a provenance of its own, so that spilled pointers survive
//! whole and only whole, and two bits for each byte.

use crate::value::Prov;

/// A byte each of the lower half of a word's state stands for: written by this frame. Its
/// counterpart in the upper half: made from an address.
const WRITTEN: u16 = 0x00ff;

/// The shadow of `WORDS` words.
#[derive(Clone, Debug)]
pub(crate) struct Shadow<const WORDS: usize> {
    prov: [Prov; WORDS],
    /// Bit per byte: written. Eight bits further on: made from an address; only where written.
    state: [u16; WORDS],
}

impl<const WORDS: usize> Shadow<WORDS> {
    /// Nothing is written.
    pub(crate) const fn new() -> Self {
        Self { prov: [Prov::SCALAR; WORDS], state: [0; WORDS] }
    }

    /// Nothing is written in `COUNT` words from this one on.
    #[inline]
    pub(crate) fn forget<const COUNT: usize>(&mut self, word: usize) {
        if let Some(state) = self.state.get_mut(word..word + COUNT) {
            state.fill(0);
        }
    }

    /// Words of `COUNT` from this one on, without those below the first in which something is
    /// written.
    #[inline]
    pub(crate) fn used<const COUNT: usize>(&self, word: usize) -> usize {
        /// Looked at together, most often to find nothing.
        const GROUP: usize = 16;
        let state = self.state.get(word..word + COUNT).unwrap_or_default();
        let unused = state
            .chunks(GROUP)
            .position(|group| group.iter().fold(0, |all, state| all | state) != 0)
            .map_or(state.len(), |group| group * GROUP);
        let within = state.iter().skip(unused).position(|state| *state != 0);
        state.len() - within.map_or(state.len(), |within| unused + within)
    }

    /// Whether something is written in the words of this range.
    #[inline]
    pub(crate) fn any(&self, words: std::ops::Range<usize>) -> bool {
        self.state.get(words).is_some_and(|state| state.iter().any(|state| *state != 0))
    }

    /// Provenance of bytes that are read; none if any of them was not written.
    #[inline(always)]
    pub(crate) fn read<const SIZE: usize>(&self, index: usize) -> Option<Prov> {
        let word = index / 8;
        if word >= WORDS || index % 8 + SIZE > 8 {
            return self.read_range(index, SIZE);
        }
        let (state, prov) = (self.state[word], self.prov[word]);
        if SIZE == 8 && state == WRITTEN {
            return Some(prov);
        }
        let mask = byte_mask::<SIZE>(index);
        if state & (mask | mask << 8) == mask && prov == Prov::SCALAR {
            return Some(Prov::SCALAR);
        }
        self.read_range(index, SIZE)
    }

    /// The same for any number of bytes. A part of a pointer is a number made from an address.
    #[cold]
    #[inline(never)]
    pub(crate) fn read_range(&self, index: usize, size: usize) -> Option<Prov> {
        let mut prov = Prov::SCALAR;
        for byte in index..index + size {
            let (word, bit) = (byte / 8, 1 << (byte % 8));
            let state = *self.state.get(word)?;
            if state & bit == 0 {
                return None;
            }
            if self.prov[word] != Prov::SCALAR || state & bit << 8 != 0 {
                prov = Prov::TAINTED;
            }
        }
        Some(prov)
    }

    /// Notes that bytes were written with a value of this provenance.
    #[inline(always)]
    pub(crate) fn write<const SIZE: usize>(&mut self, index: usize, prov: Prov) {
        let word = index / 8;
        if word < WORDS && index % 8 + SIZE <= 8 && prov != Prov::TAINTED {
            let mask = byte_mask::<SIZE>(index);
            if SIZE == 8 {
                self.state[word] = WRITTEN;
                self.prov[word] = prov;
                return;
            }
            if prov == Prov::SCALAR && self.prov[word] == Prov::SCALAR {
                self.state[word] = (self.state[word] | mask) & !(mask << 8);
                return;
            }
        }
        self.write_range(index, SIZE, prov.is_address());
    }

    /// Notes that bytes were written which are no whole pointer. A pointer that one was part of is
    /// no more; what remains of it is bytes of an address.
    #[cold]
    #[inline(never)]
    fn write_range(&mut self, index: usize, size: usize, address: bool) {
        for byte in index..index + size {
            let (word, bit) = (byte / 8, 1 << (byte % 8));
            let (Some(state), Some(prov)) = (self.state.get_mut(word), self.prov.get_mut(word))
            else {
                return;
            };
            if *state & WRITTEN == 0 {
                *prov = Prov::SCALAR;
                *state = 0;
            } else if *prov != Prov::SCALAR {
                *prov = Prov::SCALAR;
                *state |= 0xff00;
            }
            *state = (*state | bit) & !(bit << 8);
            if address {
                *state |= bit << 8;
            }
        }
    }
}

/// Bits of the bytes of an access inside its word; only meaningful if it does not leave the word.
#[inline(always)]
const fn byte_mask<const SIZE: usize>(index: usize) -> u16 {
    ((1 << SIZE) - 1) << (index % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTER: Prov = Prov::pointer(3, 0);

    #[test]
    fn only_what_was_written_is_read() {
        let mut shadow = Shadow::<4>::new();
        shadow.write::<4>(8, Prov::SCALAR);
        assert_eq!(shadow.read::<4>(8), Some(Prov::SCALAR));
        assert_eq!(shadow.read::<1>(11), Some(Prov::SCALAR));
        assert_eq!((shadow.read::<8>(8), shadow.read::<1>(12)), (None, None));
        shadow.forget::<1>(1);
        assert_eq!(shadow.read::<1>(8), None);
        assert_eq!((shadow.read::<8>(32), shadow.read::<8>(28)), (None, None));
    }

    #[test]
    fn what_is_used_ends_at_the_lowest_word_that_is_written() {
        let mut shadow = Shadow::<80>::new();
        shadow.write::<8>(0, Prov::SCALAR);
        assert_eq!(shadow.used::<64>(8), 0, "of another frame");
        assert!(!shadow.any(1..80));
        for (byte, used) in [(64 + 511, 1), (64 + 300, 27), (64 + 264, 31), (64 + 3, 64)] {
            shadow.write::<1>(byte, Prov::SCALAR);
            assert_eq!(shadow.used::<64>(8), used, "byte {byte}");
            assert!(shadow.any(byte / 8..byte / 8 + 1) && !shadow.any(1..byte / 8));
        }
    }

    #[test]
    fn pointers_survive_whole() {
        let mut shadow = Shadow::<4>::new();
        shadow.write::<8>(8, POINTER);
        assert_eq!(shadow.read::<8>(8), Some(POINTER));
        assert_eq!(shadow.read::<4>(8), Some(Prov::TAINTED));
        shadow.write::<1>(15, Prov::SCALAR);
        assert_eq!(shadow.read::<8>(8), Some(Prov::TAINTED));
        assert_eq!(shadow.read::<1>(15), Some(Prov::SCALAR));
        assert_eq!(shadow.read::<1>(14), Some(Prov::TAINTED));
        shadow.write::<8>(8, Prov::SCALAR);
        assert_eq!(shadow.read::<8>(8), Some(Prov::SCALAR));
    }

    #[test]
    fn accesses_across_words() {
        let mut shadow = Shadow::<4>::new();
        shadow.write::<8>(4, Prov::TAINTED);
        assert_eq!(shadow.read::<8>(4), Some(Prov::TAINTED));
        assert_eq!(shadow.read::<2>(2), None);
        shadow.write::<8>(4, POINTER);
        assert_eq!(shadow.read::<8>(4), Some(Prov::TAINTED));
        shadow.write::<4>(6, Prov::SCALAR);
        assert_eq!(shadow.read::<4>(6), Some(Prov::SCALAR));
        assert_eq!(shadow.read::<2>(4), Some(Prov::TAINTED));
    }

    #[test]
    fn what_a_frame_leaves_behind_is_no_pointer_of_the_next() {
        let mut shadow = Shadow::<4>::new();
        shadow.write::<8>(0, POINTER);
        shadow.forget::<1>(0);
        shadow.write::<2>(0, Prov::SCALAR);
        assert_eq!(shadow.read::<2>(0), Some(Prov::SCALAR));
        assert_eq!(shadow.read::<4>(0), None);
    }
}
