//! The files of a run: a window of them, found by text and state. Fetched by itself, so that neither the search nor the
//! page is lost when the rest of the page is fetched anew.

use super::view::{List, RunView};
use crate::api;
use crate::parts::{Choice, Go, ListForm, WordTag};
use crate::words::{Tone, Word, bytes};
use domain::api::{FILES_PER_PAGE, FileState, FilesQuery, RunFile, RunFiles};
use domain::problem::ErrorCode;
use domain::units;
use leptos::prelude::*;

/// A file's state in a word.
fn word(state: FileState) -> Word {
    let (tone, icon, text) = match state {
        FileState::Unsealed => (Tone::Idle, "hourglass", "Not sealed yet"),
        FileState::Sealed => (Tone::Busy, "complete", "Sealed"),
        FileState::Sent => (Tone::Busy, "sync", "Sent"),
        FileState::Proven => (Tone::Good, "shield", "Proven"),
        FileState::Late => (Tone::Warn, "late", "Late"),
        FileState::Changed => (Tone::Warn, "alert", "Changed"),
        FileState::Missing => (Tone::Bad, "failed", "Missing"),
    };
    Word { tone, icon, text: text.to_owned() }
}

/// The section.
#[component]
pub fn Files(
    run: Memo<String>,
    view: Memo<RunView>,
    /// Grows when the run has changed.
    changes: RwSignal<u32>,
) -> impl IntoView {
    let query = Memo::new(move |_| view.with(|view| view.files.clone()));
    let files = Resource::new_blocking(
        move || (run.get(), query.get(), changes.get()),
        |(run, query, _)| async move { api::run_files(run, query).await },
    );
    view! {
        <section class="panel run-files" aria-labelledby="files-title">
            <div class="block-head">
                <h2 id="files-title">"Files"</h2>
                <Search run=run view=view />
            </div>
            <Transition fallback=|| view! { <p class="block muted" role="status">"Loading…"</p> }>
                {move || Suspend::new(async move {
                    match files.await {
                        Ok(files) => window(files, run.get_untracked(), view.get_untracked()).into_any(),
                        // The page says it already.
                        Err(error) if matches!(error.0.code, ErrorCode::NotFound | ErrorCode::BadPath) => ().into_any(),
                        Err(error) => {
                            view! {
                                <p class="block path" role="alert">
                                    <strong>"The files cannot be listed now. "</strong>
                                    {error.0.message}
                                </p>
                            }
                                .into_any()
                        }
                    }
                })}
            </Transition>
        </section>
    }
}

#[component]
fn Search(run: Memo<String>, view: Memo<RunView>) -> impl IntoView {
    let with = move |files: FilesQuery| view.get_untracked().with_files(files).href(&run.get_untracked());
    let text = Memo::new(move |_| view.with(|view| view.files.text.clone()));
    let chosen = Memo::new(move |_| view.with(|view| view.files.state.map(|state| state.as_str().to_owned())));
    let states = FileState::ALL.map(|state| (state.as_str().to_owned(), word(state).text)).to_vec();
    let to_state = move |state: Option<String>| {
        let state = state.as_deref().and_then(FileState::from_text);
        with(FilesQuery { state, offset: 0, ..view.get_untracked().files })
    };
    view! {
        <ListForm
            label="Search files"
            placeholder="Search path"
            name="file"
            accesskey="q"
            text=text
            to=Callback::new(move |text| with(FilesQuery { text, offset: 0, ..view.get_untracked().files }))
            kept=Signal::derive(move || view.with(|view| view.of_other(List::Files)))
        >
            <Choice
                label="State of files"
                name="files"
                all="All states"
                options=Signal::stored(states)
                chosen=chosen
                to=Callback::new(to_state)
            />
        </ListForm>
    }
}

/// `1–100 of 12,345 files`
fn range(files: &RunFiles) -> String {
    let all = if files.cut { format!("the first {}", units::count(files.total)) } else { units::count(files.total) };
    let of = if files.matching == files.total {
        format!("{all} files")
    } else {
        format!("{} found in {all} files", units::count(files.matching))
    };
    match files.files.len() as u64 {
        0 => format!("None of {of}"),
        shown => format!("{}–{} of {of}", units::count(files.offset + 1), units::count(files.offset + shown)),
    }
}

fn window(files: RunFiles, run: String, view: RunView) -> impl IntoView {
    if files.total == 0 {
        return view! { <p class="block muted">"It holds no data file."</p> }.into_any();
    }
    let step = u64::from(FILES_PER_PAGE);
    let at = |offset: u64| view.with_files(FilesQuery { offset, ..view.files.clone() }).href(&run);
    let before = (files.offset > 0).then(|| at(files.offset.min(files.matching).saturating_sub(step)));
    let after = (files.offset.saturating_add(files.files.len() as u64) < files.matching && !files.files.is_empty())
        .then(|| at(files.offset.saturating_add(step)));
    let text = range(&files);
    view! {
        <div class="listing" tabindex="0" role="region" aria-label="Table of files">
            <table class="plain stacked">
                <thead>
                    <tr>
                        <th scope="col">"File"</th>
                        <th scope="col">"State"</th>
                        <th scope="col" class="number">"Size"</th>
                        <th scope="col">"SHA-256"</th>
                    </tr>
                </thead>
                <tbody>{files.files.into_iter().map(line).collect_view()}</tbody>
            </table>
        </div>
        <nav class="pager" aria-label="Pages of files">
            <span class="muted" role="status">{text}</span>
            {before.map(|href| view! { <Go href=href class="button" stay=true>"Previous files"</Go> })}
            {after.map(|href| view! { <Go href=href class="button" stay=true>"Next files"</Go> })}
        </nav>
    }
    .into_any()
}

fn line(file: RunFile) -> impl IntoView {
    let digest = file.sha256.map(|digest| {
        let short = digest.chars().take(12).collect::<String>();
        view! { <code title=digest>{short}</code> }
    });
    view! {
        <tr>
            <td class="path" data-label="File">
                {file.path}
                {file.note.map(|note| view! { <span class="muted small block-line">{note}</span> })}
            </td>
            <td data-label="State">
                <WordTag word=Signal::stored(word(file.state)) />
            </td>
            <td class="number" data-label="Size">{file.bytes.map_or_else(|| "?".to_owned(), bytes)}</td>
            <td data-label="SHA-256">{digest}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_said_in_words() {
        let file = RunFile { path: "a".into(), state: FileState::Late, bytes: None, sha256: None, note: None };
        let mut files = RunFiles {
            run_path: "E/p/Run_1".into(),
            files: vec![file],
            offset: 100,
            matching: 101,
            total: 101,
            cut: false,
        };
        assert_eq!(range(&files), "101–101 of 101 files");
        files.total = 5_000;
        assert_eq!(range(&files), "101–101 of 101 found in 5,000 files");
        files.cut = true;
        files.files.clear();
        files.matching = 0;
        assert_eq!(range(&files), "None of 0 found in the first 5,000 files");
    }
}
