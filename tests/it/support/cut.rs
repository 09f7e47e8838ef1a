//! A server that says too little: announces a body and closes the connection before its end.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves `body` with the given head to every connection, cut after `bytes` of it; returns the address.
pub async fn serve(head: &'static str, body: &'static str, bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(format!("{head}\r\n\r\n{}", &body[..bytes.min(body.len())]).as_bytes()).await;
        }
    });
    url
}
