//! Integration tests: real listeners on port 0, the simulated upstream, one binary.
//!
//! | module | about |
//! |---|---|
//! | `support` | three nouns: `Gateway`, the simulator as `Codex`, `Client` |
//! | `program` | the binary as a process of its own |
//! | `architecture` | the rules that a compiler does not check |
//! | `cli` | the commands, with and without a gateway |
//! | `custom_binary` | a program with a filter of its own |
//! | `demo` | the demo as a process |
//! | `process` | `serve` as a process: signals, crashes, the admin socket |
//! | `regression` | bugs that were fixed |
//! | `responses` | the main job: create and stream |

#![allow(unreachable_pub, reason = "the modules of a test binary have no outside")]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test that panics has failed, as it should")]

mod architecture;
mod cli;
mod custom_binary;
mod demo;
mod process;
mod program;
mod regression;
mod responses;
mod support;
