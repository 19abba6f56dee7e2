//! The binary of ExLab Orchestrator as a library: command line, config, HTTP, and the embedded panel.
//!
//! | module | does |
//! |---|---|
//! | [`cli`] | what may be asked on the command line |
//! | [`config`], [`environment`] | the config file, and what the surroundings say |
//! | [`serve`], [`backend`] | the life of the server, and what answers it |
//! | [`http`] | REST, events, pages |
//! | [`logging`] | the program's own log |
//! | [`simulate`] | made-up runs for demos |

pub mod backend;
pub mod cli;
pub mod config;
pub mod environment;
pub mod http;
pub mod logging;
pub mod memory;
pub mod serve;
pub mod simulate;
