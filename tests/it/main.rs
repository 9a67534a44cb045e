//! Integration tests: real listeners on port 0, the simulated upstream, one binary.
//!
//! | module | about |
//! |---|---|
//! | `support` | three nouns: `Gateway`, the simulator as `Codex`, `Client` |
//! | `architecture` | the rules that a compiler does not check |
//! | `regression` | bugs that were fixed |
//! | `responses` | the main job: create and stream |

#![allow(unreachable_pub, reason = "the modules of a test binary have no outside")]

mod architecture;
mod regression;
mod responses;
mod support;
