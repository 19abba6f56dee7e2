//! One `EventSource`, closed when dropped.
//!
//! Its own reconnecting is not used: it stops for good on an HTTP error, and hides how long it waits.

use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::{EventSource, MessageEvent};

/// What an open source tells.
pub enum Heard {
    Open,
    Message(String),
    Broken,
}

/// An open event stream.
pub struct Source {
    inner: EventSource,
    on_open: Closure<dyn FnMut(JsValue)>,
    on_message: Closure<dyn FnMut(MessageEvent)>,
    on_error: Closure<dyn FnMut(JsValue)>,
}

impl Source {
    /// Opens a stream; `tell` hears everything until this is dropped.
    pub fn open(url: &str, tell: impl Fn(Heard) + Clone + 'static) -> Option<Source> {
        let inner = EventSource::new(url).ok()?;
        let on_open = Closure::<dyn FnMut(JsValue)>::new({
            let tell = tell.clone();
            move |_| tell(Heard::Open)
        });
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new({
            let tell = tell.clone();
            move |event: MessageEvent| {
                if let Some(data) = event.data().as_string() {
                    tell(Heard::Message(data));
                }
            }
        });
        let on_error = Closure::<dyn FnMut(JsValue)>::new(move |_| tell(Heard::Broken));
        inner.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        inner.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        inner.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Some(Source { inner, on_open, on_message, on_error })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.inner.set_onopen(None);
        self.inner.set_onmessage(None);
        self.inner.set_onerror(None);
        self.inner.close();
        // The closures are the source's as long as it may call them, and end with this value.
        let _ = (&self.on_open, &self.on_message, &self.on_error);
    }
}
