//! Tests of the model through its public interface.

mod alu;
mod budget;
mod callbacks;
mod common;
mod control;
mod data;
mod faults;
mod function;
mod maps;
mod memory;
mod notation;
mod packets;
mod robustness;
mod stack;
