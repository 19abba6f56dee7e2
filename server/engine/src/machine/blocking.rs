//! Work that blocks, on threads of its own: files, seals, documents. Nothing that waits for a disk may hold up what
//! does not.

/// Runs blocking work on its own thread. A panic in it becomes one here, where the task's owner records it as a
/// failure.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down: nothing awaits this any more.
            Err(_) => std::future::pending().await,
        },
    }
}
