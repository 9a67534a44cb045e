//! Integration tests: real listeners on port 0, the simulated upstream, one binary.
//!
//! | module | about |
//! |---|---|
//! | `support` | three nouns: `Gateway`, the simulator as `Codex`, `Client` |
//! | `responses` | the main job: create and stream |

mod responses;
mod support;
