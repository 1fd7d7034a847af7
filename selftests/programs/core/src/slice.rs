//! Slices and arrays.

use crate::intrinsics;
use crate::iter::{IntoIterator, Iterator};
use crate::marker::PhantomData;
use crate::option::Option::{self, None, Some};

impl<T> [T] {
    /// Number of elements.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        intrinsics::ptr_metadata(self as *const [T])
    }
    /// Whether it has no elements.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The first element's address.
    #[inline(always)]
    pub const fn as_ptr(&self) -> *const T {
        self as *const [T] as *const T
    }
    /// The first element's address.
    #[inline(always)]
    pub const fn as_mut_ptr(&mut self) -> *mut T {
        self as *mut [T] as *mut T
    }
    /// An element, if it exists.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<&T> {
        if index < self.len() { Some(&self[index]) } else { None }
    }
    /// An element, if it exists.
    #[inline(always)]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        if index < self.len() { Some(&mut self[index]) } else { None }
    }
    /// Iterates over the elements.
    #[inline(always)]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { at: self.as_ptr(), left: self.len(), slice: PhantomData }
    }
    /// Iterates over the elements mutably.
    #[inline(always)]
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        IterMut { left: self.len(), at: self.as_mut_ptr(), slice: PhantomData }
    }
}

/// See [`iter`](slice::iter).
pub struct Iter<'a, T> {
    at: *const T,
    left: usize,
    slice: PhantomData<&'a [T]>,
}
impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;
    #[inline(always)]
    fn next(&mut self) -> Option<&'a T> {
        if self.left == 0 {
            return None;
        }
        let at = self.at;
        self.left -= 1;
        // SAFETY: there is an element at `at`, so the next position is in the slice or at its end.
        unsafe {
            self.at = at.add(1);
            Some(&*at)
        }
    }
}
impl<'a, T> IntoIterator for &'a [T] {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;
    #[inline(always)]
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
impl<'a, T, const N: usize> IntoIterator for &'a [T; N] {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;
    #[inline(always)]
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// See [`iter_mut`](slice::iter_mut).
pub struct IterMut<'a, T> {
    at: *mut T,
    left: usize,
    slice: PhantomData<&'a mut [T]>,
}
impl<'a, T> Iterator for IterMut<'a, T> {
    type Item = &'a mut T;
    #[inline(always)]
    fn next(&mut self) -> Option<&'a mut T> {
        if self.left == 0 {
            return None;
        }
        let at = self.at;
        self.left -= 1;
        // SAFETY: there is an element at `at`, so the next position is in the slice or at its end;
        // each is returned once.
        unsafe {
            self.at = at.add(1);
            Some(&mut *at)
        }
    }
}
impl<'a, T> IntoIterator for &'a mut [T] {
    type Item = &'a mut T;
    type IntoIter = IterMut<'a, T>;
    #[inline(always)]
    fn into_iter(self) -> IterMut<'a, T> {
        self.iter_mut()
    }
}
impl<'a, T, const N: usize> IntoIterator for &'a mut [T; N] {
    type Item = &'a mut T;
    type IntoIter = IterMut<'a, T>;
    #[inline(always)]
    fn into_iter(self) -> IterMut<'a, T> {
        self.iter_mut()
    }
}
