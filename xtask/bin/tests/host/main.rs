//! The program as a whole on a host that misbehaves: a full disk, a cache that was damaged, another
//! process that builds the same kernel, a user who stops it.

#![expect(clippy::unwrap_used, reason = "what the tests share is test code as well")]

mod cache;
mod disk;
mod output;
mod stopped;
mod world;
