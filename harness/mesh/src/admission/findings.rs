//! Errors and warnings of a validation, put together as Istio does.

/// What a validation found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

impl Findings {
    pub(crate) fn of_error(error: String) -> Self {
        Self {
            errors: vec![error],
            warnings: Vec::new(),
        }
    }

    pub(crate) fn error(&self) -> Option<String> {
        match self.errors.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => {
                let lines = many.join("\n\t* ");
                Some(format!("{} errors occurred:\n\t* {lines}\n\n", many.len()))
            }
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    pub(crate) fn fail(&mut self, error: impl Into<String>) {
        self.errors.push(error.into());
    }

    pub(crate) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    pub(crate) fn check(&mut self, result: Result<(), String>) {
        if let Err(error) = result {
            self.fail(error);
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    /// The same with a text before each error.
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        for error in &mut self.errors {
            *error = format!("{prefix} {error}");
        }
        self
    }
}
