//! How is the TCP connection opened, and how is it cut?

use std::{
    io,
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A second handle to a connection's socket. Dropped, it cuts the connection: that ends whatever
/// lapin waits for on it, and lapin's thread with it, where nothing else does.
#[derive(Debug)]
pub(crate) struct Cutter(std::net::TcpStream);

impl Drop for Cutter {
    fn drop(&mut self) {
        // It fails when the connection is gone already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Connects to this address. `silence` is how long the peer's system may leave data unacknowledged
/// before the connection counts as dead.
pub(crate) async fn dial(to: SocketAddr, silence: Duration) -> io::Result<(TcpStream, Cutter)> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    // The system counts in whole seconds, and refuses zero.
    let probe = (silence / 4).max(Duration::from_secs(1));
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(2 * probe)
            .with_interval(probe),
    )?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(silence))?;
    let stream = stream.into_std()?;
    let cutter = Cutter(stream.try_clone()?);
    Ok((TcpStream::from_std(stream)?, cutter))
}
