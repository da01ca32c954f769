//! Connections whose other end must take what it asked for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream that fails when a write stands still for too long: hyper waits for ever for a client that
/// does not read its answer.
#[derive(Debug)]
pub(super) struct StallGuard<S> {
    stream: S,
    time: Duration,
    deadline: Pin<Box<Sleep>>,
    waiting: bool,
}

impl<S> StallGuard<S> {
    pub(super) fn new(stream: S, time: Duration) -> Self {
        Self { stream, time, deadline: Box::pin(sleep(time)), waiting: false }
    }

    fn guard<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        if !self.waiting {
            self.waiting = true;
            self.deadline.as_mut().reset(Instant::now() + self.time);
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.guard(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.guard(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.guard(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.guard(shut, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::{AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn a_write_that_stands_still_fails() {
        let (_reader, stream) = duplex(1);
        let mut guarded = StallGuard::new(stream, Duration::from_millis(50));
        let error = guarded.write_all(&[7; 2]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn only_a_write_that_moves_gets_more_time() {
        let mut guarded = StallGuard::new((), Duration::from_secs(30));
        let mut context = Context::from_waker(Waker::noop());
        let mut deadline_after = |written: Poll<io::Result<()>>| {
            let _: Poll<io::Result<()>> = guarded.guard(written, &mut context);
            let before = Instant::now();
            while Instant::now() == before {} // so that the next deadline would be another one
            guarded.deadline.deadline()
        };
        let first = deadline_after(Poll::Pending);
        assert_eq!(deadline_after(Poll::Pending), first);
        assert_eq!(deadline_after(Poll::Ready(Ok(()))), first);
        assert!(deadline_after(Poll::Pending) > first);
    }
}
