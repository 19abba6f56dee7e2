//! The real program as a child process: exit codes and words, against a server with the recording backend, and serving
//! by itself.

#[path = "../rest/answers.rs"]
mod answers;
#[path = "../rest/fake.rs"]
mod fake;

mod client;
mod doctor;
mod life;
mod serve;
mod tool;
