//! Optional values.

use crate::clone::Clone;
use crate::cmp::PartialEq;
use crate::marker::{Copy, Sized};
use crate::ops::{ControlFlow, FnOnce, FromResidual, Try};
use crate::prelude::rust_2024::derive;

/// An optional value.
#[derive(Clone, Copy, PartialEq)]
#[lang = "Option"]
pub enum Option<T> {
    /// No value.
    #[lang = "None"]
    None,
    /// Some value.
    #[lang = "Some"]
    Some(T),
}
use Option::{None, Some};

/// The empty type, in the residual of `?`.
pub enum Infallible {}

impl<T> Option<T> {
    /// Whether there is a value.
    #[inline(always)]
    pub fn is_some(&self) -> bool {
        match self {
            Some(_) => true,
            None => false,
        }
    }

    /// Whether there is no value.
    #[inline(always)]
    pub fn is_none(&self) -> bool {
        !self.is_some()
    }

    /// The value, or a default.
    #[inline(always)]
    pub fn unwrap_or(self, other: T) -> T {
        match self {
            Some(value) => value,
            None => other,
        }
    }

    /// Maps the value.
    #[inline(always)]
    pub fn map<U, F: FnOnce(T) -> U>(self, change: F) -> Option<U> {
        match self {
            Some(value) => Some(change(value)),
            None => None,
        }
    }

    /// Maps the value, or returns a default.
    #[inline(always)]
    pub fn map_or<U, F: FnOnce(T) -> U>(self, other: U, change: F) -> U {
        match self {
            Some(value) => change(value),
            None => other,
        }
    }

    /// Calls a function that returns an option.
    #[inline(always)]
    pub fn and_then<U, F: FnOnce(T) -> Option<U>>(self, next: F) -> Option<U> {
        match self {
            Some(value) => next(value),
            None => None,
        }
    }
}

impl<T: Copy> Option<&T> {
    /// The option by value, from a reference.
    #[inline(always)]
    pub fn copied(self) -> Option<T> {
        match self {
            Some(value) => Some(*value),
            None => None,
        }
    }
}

impl<T> Try for Option<T> {
    type Output = T;
    type Residual = Option<Infallible>;

    #[inline(always)]
    fn from_output(output: T) -> Self {
        Some(output)
    }

    #[inline(always)]
    fn branch(self) -> ControlFlow<Option<Infallible>, T> {
        match self {
            Some(value) => ControlFlow::Continue(value),
            None => ControlFlow::Break(None),
        }
    }
}

impl<T> FromResidual<Option<Infallible>> for Option<T>
where
    T: Sized,
{
    #[inline(always)]
    fn from_residual(_: Option<Infallible>) -> Self {
        None
    }
}
