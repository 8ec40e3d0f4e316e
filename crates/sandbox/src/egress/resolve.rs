//! Looking names up, outside of every task.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// What a look-up comes to.
pub type Resolved<'r> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'r>>;

/// Whoever looks names up. Asked once for each connection, and only for allowed names.
pub trait Resolve: Send + Sync {
    /// The addresses of a name.
    fn resolve<'r>(&'r self, name: &'r str) -> Resolved<'r>;
}

/// The system's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'r>(&'r self, name: &'r str) -> Resolved<'r> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
