//! Integration tests: real listeners on port 0, the simulated upstream, one binary.
//!
//! | module | about |
//! |---|---|
//! | `support` | three nouns: `Gateway`, the simulator as `Codex`, `Client` |
//! | `aborts` | clients that leave at each step, and by the thousands |
//! | `architecture` | the rules that a compiler does not check |
//! | `auth` | keys: every row of the table of refusals |
//! | `bodies` | reading and decoding of bodies, connections |
//! | `canary` | nothing secret in log, metrics, store or answers of commands |
//! | `catalog` | what accounts tell of their models |
//! | `checklist` | the acceptance checklist of `/v1`, one test for a line, and what belongs to the lines end to end |
//! | `cli` | the commands, with and without a gateway |
//! | `client_gone` | clients that leave |
//! | `collect` | one answer out of a stream |
//! | `commit` | when an answer is committed to the client |
//! | `crash` | kill -9 under load |
//! | `custom_binary` | a program with a filter of its own |
//! | `demo` | the demo as a process |
//! | `failover` | every failure that moves to the next account, and those that do not |
//! | `files` | uploads, and what is known of them |
//! | `http2` | bounds and ends of HTTP/2 connections, streams over them |
//! | `limits` | bulkheads and memory |
//! | `login` | the usage of an account, for whoever has its login |
//! | `memory` | many large bodies at once |
//! | `models` | `GET /v1/models` and one of them |
//! | `native`, `native_errors` | what Codex CLI sends and gets over HTTP |
//! | `powercut` | simulated power cuts of the store |
//! | `process` | `serve` as a process: signals, the admin socket |
//! | `program` | the binary as a process of its own |
//! | `protocols` | every route over every protocol |
//! | `quota` | what accounts tell of their quota, and who is asked then |
//! | `refresh` | refused tokens, and the one refresher |
//! | `regression` | bugs that were fixed |
//! | `replay` | reasoning and files that only one account has |
//! | `reservation` | the first byte waits for the ledger |
//! | `responses` | the main job: create and stream |
//! | `routes` | the table of endpoints, order of checks |
//! | `routing` | sessions, cache keys, demotion, quota |
//! | `slow` | clients and storages that are slow, or neither read nor write |
//! | `smuggling` | requests and answers that could be read in two ways |
//! | `store_care` | backups, damage, a full disk |
//! | `streams` | what a streaming client gets |
//! | `tls` | certificates: refused, replaced, used by real clients |
//! | `usage` | `GET /v1/usage` |
//! | `websocket` | handshake and turns of clients on websockets |
//! | `websocket_dispatch` | websockets towards accounts: failover, refresh, broken lines |
//! | `websocket_ids` | ids that clients give to turns |
//! | `websocket_native` | websockets of Codex CLI: what passes as it came, and errors in its form |
//! | `websocket_simulator` | turns against the strict backend: lite models, compaction, tools, its limits |
//! | `websocket_protocol` | the protocol below the messages, many sockets at once |
//! | `validation` | refused requests, and what the upstream sees of accepted ones |

#![allow(unreachable_pub, reason = "the modules of a test binary have no outside")]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test that panics has failed, as it should")]

mod aborts;
mod architecture;
mod auth;
mod bodies;
mod canary;
mod catalog;
mod checklist;
mod cli;
mod client_gone;
mod collect;
mod commit;
mod crash;
mod custom_binary;
mod demo;
mod failover;
mod files;
mod http2;
mod limits;
mod login;
mod memory;
mod models;
mod native;
mod native_errors;
mod powercut;
mod process;
mod program;
mod protocols;
mod quota;
mod refresh;
mod regression;
mod replay;
mod reservation;
mod responses;
mod routes;
mod routing;
mod slow;
mod smuggling;
mod store_care;
mod streams;
mod support;
mod tls;
mod usage;
mod validation;
mod websocket;
mod websocket_dispatch;
mod websocket_ids;
mod websocket_native;
mod websocket_protocol;
mod websocket_simulator;
