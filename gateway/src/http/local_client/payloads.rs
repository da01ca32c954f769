//! Documents to and from the gateway, as streams: none of them is ever whole in memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use ::http::{HeaderValue, Method, Request, Response, StatusCode};
use crypto::Digest;
use crypto::envelope::PayloadId;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::{Called, LocalClient, LocalClientError};
use crate::http::body::{JSON, OCTETS};
use crate::http::local::{Page, PayloadReceived, PayloadSent};

/// A document is read and handed on in pieces of this length.
const PIECE_BYTES: usize = 128 * 1024;

impl LocalClient {
    /// Has a document of that name sealed and sent under an answered question. Takes as long as it
    /// takes: the gateway cuts off what stands still. What is returned may still be underway: see
    /// [`Self::sent_payload`].
    ///
    /// # Errors
    /// [`LocalClientError`]; then nothing of the document is sent.
    pub async fn send_payload(
        &self,
        request: &Digest,
        name: &str,
        document: Bytes,
    ) -> Called<PayloadSent> {
        let request = self.request(Method::POST, &sending(request, name), document, OCTETS)?;
        let response = self.transport.send(request).await;
        self.read(response.map_err(|_| LocalClientError::Unreachable)?).await
    }

    /// As [`Self::send_payload`], with the first `bytes` bytes of what `document` reads.
    ///
    /// # Errors
    /// [`LocalClientError`], which is [`LocalClientError::Unreachable`] also if `document` fails or has
    /// fewer bytes; then nothing of it is sent.
    pub async fn send_payload_from(
        &self,
        request: &Digest,
        name: &str,
        document: impl AsyncRead + Send + Unpin + 'static,
        bytes: u64,
    ) -> Called<PayloadSent> {
        let target = sending(request, name);
        let request = self.request(Method::POST, &target, Bytes::new(), OCTETS)?;
        let body = Reading { source: document, left: bytes, buffer: vec![0; PIECE_BYTES] };
        let request: Request<_> = request.map(|_| body.boxed_unsync());
        let response = self.transport.send_stream(request).await;
        self.read(response.map_err(|_| LocalClientError::Unreachable)?).await
    }

    /// What became of a payload that the department sent.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn sent_payload(&self, id: &PayloadId) -> Called<PayloadSent> {
        self.get(&format!("/v1/sent-payloads/{id}")).await
    }

    /// A page of the payloads that the department sent, or is sending.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn sent_payloads_page(&self, page: Page<PayloadId>) -> Called<Vec<PayloadSent>> {
        self.get(&format!("/v1/sent-payloads?{}", page.query())).await
    }

    /// The payloads that others sent the department: all of them, however many.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn payloads(&self) -> Called<Vec<PayloadReceived>> {
        self.all_pages("/v1/payloads", |last: &PayloadReceived| last.id).await
    }

    /// A page of the payloads that others sent the department.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn payloads_page(&self, page: Page<PayloadId>) -> Called<Vec<PayloadReceived>> {
        self.get(&format!("/v1/payloads?{}", page.query())).await
    }

    /// Opens a payload that is complete.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn payload(&self, id: &PayloadId) -> Called<OpenedPayload> {
        self.payload_from(id, 0).await
    }

    /// Opens a payload that is complete, and reads it from the byte `from` on: what broke off goes on so.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn payload_from(&self, id: &PayloadId, from: u64) -> Called<OpenedPayload> {
        let mut request =
            self.request(Method::GET, &format!("/v1/payloads/{id}"), Bytes::new(), JSON)?;
        let mut expected = StatusCode::OK;
        if from > 0 {
            let range = HeaderValue::try_from(format!("bytes={from}-"));
            request.headers_mut().insert(RANGE, range.expect("digits are visible ASCII"));
            expected = StatusCode::PARTIAL_CONTENT;
        }
        let response = self.transport.send(request).await;
        let response = response.map_err(|_| LocalClientError::Unreachable)?;
        let status = response.status();
        if status == expected && (from == 0 || begins_at(&response, from)) {
            let announced = response.headers().get(CONTENT_LENGTH);
            let announced = announced.and_then(|it| it.to_str().ok()?.parse().ok());
            let status = status.as_u16();
            let left = announced.ok_or(LocalClientError::Unexpected { status })?;
            return Ok(OpenedPayload { body: response.into_body(), left });
        }
        if status.is_success() {
            return Err(LocalClientError::Unexpected { status: status.as_u16() });
        }
        let refused: Called<serde_json::Value> = self.read(response).await;
        Err(refused.err().unwrap_or(LocalClientError::Unexpected { status: status.as_u16() }))
    }

    /// Writes a payload that is complete to `target`, from the byte `from` on, and says how many bytes
    /// that were. After an error the target has a beginning of them, and
    /// [`OpenedPayload`] can go on at its end.
    ///
    /// # Errors
    /// [`PayloadToError`]
    pub async fn payload_to(
        &self,
        id: &PayloadId,
        from: u64,
        target: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, PayloadToError> {
        let mut payload = self.payload_from(id, from).await?;
        let mut written = 0;
        while let Some(piece) = payload.next().await? {
            target.write_all(&piece).await?;
            written += u64::try_from(piece.len()).expect("lengths fit 64 bits");
        }
        target.flush().await?;
        Ok(written)
    }
}

/// Why a payload is not written to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadToError {
    /// The gateway refused, or the payload broke off.
    #[error(transparent)]
    Gateway(#[from] LocalClientError),
    /// The target could not be written.
    #[error("the document cannot be written: {0}")]
    Target(#[from] io::Error),
}

fn sending(request: &Digest, name: &str) -> String {
    let query: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("name", name).finish();
    format!("/v1/requests/{request}/payloads?{query}")
}

/// Whether a partial response begins where it should.
fn begins_at(response: &Response<Incoming>, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|it| it.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

/// A document that is read while it is sent.
struct Reading<R> {
    source: R,
    left: u64,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> HttpBody for Reading<R> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let most = usize::try_from(this.left).unwrap_or(usize::MAX).min(this.buffer.len());
        let mut buffer = ReadBuf::new(&mut this.buffer[..most]);
        if let Err(error) = ready!(Pin::new(&mut this.source).poll_read(context, &mut buffer)) {
            return Poll::Ready(Some(Err(error)));
        }
        let piece = Bytes::copy_from_slice(buffer.filled());
        if piece.is_empty() {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        this.left -= u64::try_from(piece.len()).expect("lengths fit 64 bits");
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A payload that is being received, piece by piece.
#[derive(Debug)]
pub struct OpenedPayload {
    body: Incoming,
    /// Bytes of the announced length that have not come yet.
    left: u64,
}

impl OpenedPayload {
    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece, of any length; `None` after the last one, and only then is the payload whole.
    ///
    /// # Errors
    /// [`LocalClientError::Unreachable`] if it broke off.
    pub async fn next(&mut self) -> Called<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| LocalClientError::Unreachable)?;
            if let Ok(piece) = frame.into_data() {
                let length = u64::try_from(piece.len()).expect("lengths fit 64 bits");
                let left = self.left.checked_sub(length);
                self.left = left.ok_or(LocalClientError::Unreachable)?;
                return Ok(Some(piece));
            }
        }
        if self.left == 0 { Ok(None) } else { Err(LocalClientError::Unreachable) }
    }
}
