//! The objects of a batch, numbered in the order of their steps.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::kernel::buffer::Event;
use crate::kernel::map::Map;

/// A loaded program.
#[derive(Debug)]
pub(super) struct Program {
    /// Descriptor.
    pub(super) fd: OwnedFd,
    /// `enum bpf_prog_type`.
    pub(super) prog_type: u32,
}

impl Program {
    /// The descriptor, as passed to the kernel in a map's value.
    pub(super) fn number(&self) -> u32 {
        self.fd.as_raw_fd().cast_unsigned()
    }
}

/// Objects of one kind. Numbers are not reused.
#[derive(Debug)]
pub(super) struct Slots<T> {
    what: &'static str,
    slots: Vec<Option<T>>,
}

impl<T> Slots<T> {
    fn new(what: &'static str) -> Self {
        Self { what, slots: Vec::new() }
    }

    /// Adds an object with the next number.
    pub(super) fn add(&mut self, object: T) {
        self.slots.push(Some(object));
    }

    /// The object with this number; the error says whether it never existed or is closed.
    pub(super) fn get(&self, index: u32) -> Result<&T, String> {
        match self.slots.get(index as usize) {
            Some(Some(object)) => Ok(object),
            Some(None) => Err(self.closed(index)),
            None => Err(self.unknown(index)),
        }
    }

    /// Takes the object out; its number is not reused.
    pub(super) fn take(&mut self, index: u32) -> Result<T, String> {
        match self.slots.get_mut(index as usize).map(Option::take) {
            Some(Some(object)) => Ok(object),
            Some(None) => Err(self.closed(index)),
            None => Err(self.unknown(index)),
        }
    }

    fn closed(&self, index: u32) -> String {
        format!("{} {index} is closed", self.what)
    }

    fn unknown(&self, index: u32) -> String {
        format!("there is no {} {index}, only {} so far", self.what, self.slots.len())
    }
}

/// All objects of a batch. Programs are dropped first, as they hold maps and BTF.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) programs: Slots<Program>,
    pub(super) maps: Slots<Map>,
    pub(super) btfs: Slots<OwnedFd>,
    /// The events in arrays of perf events, by the array's number.
    pub(super) events: HashMap<u32, Vec<Event>>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            programs: Slots::new("program"),
            maps: Slots::new("map"),
            btfs: Slots::new("BTF object"),
            events: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_order_and_outlive_their_objects() {
        let mut slots = Slots::new("program");
        slots.add("a");
        slots.add("b");
        assert_eq!(slots.take(0), Ok("a"));
        slots.add("c");
        assert_eq!(slots.get(1), Ok(&"b"));
        assert_eq!(slots.get(2), Ok(&"c"));
        assert_eq!(slots.get(0), Err("program 0 is closed".to_owned()));
        assert_eq!(slots.take(0), Err("program 0 is closed".to_owned()));
    }

    #[test]
    fn numbers_that_never_were_are_told() {
        let slots = Slots::<()>::new("map");
        assert_eq!(slots.get(7), Err("there is no map 7, only 0 so far".to_owned()));
    }
}
