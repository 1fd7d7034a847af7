//! Iteration.

use crate::clone::Clone;
use crate::cmp::PartialOrd;
use crate::intrinsics::wrapping_add;
use crate::marker::Sized;
use crate::mem::replace;
use crate::ops::{FnMut, Range};
use crate::option::Option::{self, None, Some};

/// Iterators.
#[lang = "iterator"]
pub trait Iterator {
    /// The element type.
    type Item;
    /// The next element.
    #[lang = "next"]
    fn next(&mut self) -> Option<Self::Item>;

    /// Adds an index to each element.
    #[inline(always)]
    fn enumerate(self) -> Enumerate<Self>
    where
        Self: Sized,
    {
        Enumerate { iter: self, count: 0 }
    }
    /// Pairs the elements with those of another iterator.
    #[inline(always)]
    fn zip<U: IntoIterator>(self, other: U) -> Zip<Self, U::IntoIter>
    where
        Self: Sized,
    {
        Zip { a: self, b: other.into_iter() }
    }
    /// Combines all elements.
    #[inline(always)]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, start: B, mut with: F) -> B
    where
        Self: Sized,
    {
        let mut so_far = start;
        while let Some(item) = self.next() {
            so_far = with(so_far, item);
        }
        so_far
    }
}
/// Types that `for` accepts.
pub trait IntoIterator {
    /// The element type.
    type Item;
    /// The iterator.
    type IntoIter: Iterator<Item = Self::Item>;
    /// Creates the iterator.
    #[lang = "into_iter"]
    fn into_iter(self) -> Self::IntoIter;
}
impl<I: Iterator> IntoIterator for I {
    type Item = I::Item;
    type IntoIter = I;
    #[inline(always)]
    fn into_iter(self) -> I {
        self
    }
}

/// See [`Iterator::enumerate`].
pub struct Enumerate<I> {
    iter: I,
    count: usize,
}
impl<I: Iterator> Iterator for Enumerate<I> {
    type Item = (usize, I::Item);
    #[inline(always)]
    fn next(&mut self) -> Option<(usize, I::Item)> {
        let item = self.iter.next()?;
        let count = self.count;
        self.count = wrapping_add(count, 1);
        Some((count, item))
    }
}

/// See [`Iterator::zip`].
pub struct Zip<A, B> {
    a: A,
    b: B,
}
impl<A: Iterator, B: Iterator> Iterator for Zip<A, B> {
    type Item = (A::Item, B::Item);
    #[inline(always)]
    fn next(&mut self) -> Option<(A::Item, B::Item)> {
        let a = self.a.next()?;
        let b = self.b.next()?;
        Some((a, b))
    }
}

/// Types of ranges that can be iterated.
pub trait Step: Clone + PartialOrd {
    /// The successor.
    fn after(&self) -> Self;
}
macro_rules! step {
    ($($type:ty)*) => {
        $(impl Step for $type {
            #[inline(always)]
            fn after(&self) -> $type {
                wrapping_add(*self, 1)
            }
        })*
    };
}
step!(u8 u16 u32 u64 usize i32 i64);

impl<T: Step> Iterator for Range<T> {
    type Item = T;
    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        if self.start < self.end {
            let after = self.start.after();
            Some(replace(&mut self.start, after))
        } else {
            None
        }
    }
}
