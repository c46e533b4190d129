//! What functions know of the stack: its data types and defaults, by the hash of their content.
//!
//! The provisioner writes the document under its hash and gives functions the hash. A document is never changed, so
//! a function never sees half of a change, and two versions of a function can run side by side.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::datatype::DataType;
use domain::id::{ItemId, Name, TypeTag};
use domain::stack::{RuleSet, Stack};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Store;
use crate::attr;
use crate::cursor::CursorKey;
use crate::error::{Result, StoreError, sdk};
use crate::keys;

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The stack's data types.
    pub data_types: BTreeMap<Name, DataType>,
    /// What groups that people make receive.
    pub group_defaults: RuleSet,
    /// Grows after a restore from a backup.
    #[serde(default)]
    pub era: u16,
}

impl Document {
    /// The document of a stack.
    pub fn of(stack: &Stack) -> Self {
        Self {
            data_types: stack.data_types.clone(),
            group_defaults: stack.group_defaults.clone().unwrap_or_default(),
            era: 0,
        }
    }

    /// Its text, always the same for the same content.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The hash of its text.
    pub fn hash(&self) -> String {
        Sha256::digest(self.text()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The types that an item with this identifier can be of: almost always one.
    pub fn types_of<'a>(&'a self, id: &ItemId) -> impl Iterator<Item = &'a DataType> {
        let tag = id.type_tag();
        self.data_types.values().filter(move |data_type| TypeTag::of(&data_type.name) == tag)
    }
}

impl Store {
    /// Writes a document under its hash; writing it again changes nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_document(&self, document: &Document) -> Result<String> {
        let hash = document.hash();
        let row = attr::row(&keys::document(&hash), [("text", attr::text(document.text()))]);
        let put = self.client.put_item().table_name(&self.tables.directory).set_item(Some(row));
        match put.condition_expression("attribute_not_exists(pk)").send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(hash),
            Err(error) => Err(error),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none of that hash.
    pub async fn document(&self, hash: &str) -> Result<Document> {
        let row =
            self.directory_row(&keys::document(hash)).await?.ok_or(StoreError::Missing("stack document"))?;
        let text = attr::get_text(&row, "text").map_err(|what| StoreError::corrupt("directory", what))?;
        serde_json::from_str(text).map_err(|error| StoreError::corrupt("directory", error.to_string()))
    }

    /// Deletes a document that no function uses any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_document(&self, hash: &str) -> Result<()> {
        let key = attr::key_row(&keys::document(hash));
        self.client
            .delete_item()
            .table_name(&self.tables.directory)
            .set_key(Some(key))
            .send()
            .await
            .map_err(sdk)?;
        Ok(())
    }

    /// Makes the key that cursors are sealed with, once; later calls change nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ensure_cursor_key(&self) -> Result<()> {
        let random: Vec<u8> = (0..4).flat_map(|_| ulid::Ulid::generate().random().to_be_bytes()).collect();
        let row =
            attr::row(&keys::secrets(), [("cursor", attr::text(STANDARD.encode(Sha256::digest(random))))]);
        let put = self.client.put_item().table_name(&self.tables.directory).set_item(Some(row));
        match put.condition_expression("attribute_not_exists(pk)").send().await.map_err(sdk) {
            Ok(_) | Err(StoreError::Condition) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the key that cursors are sealed with was made.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_cursor_key(&self) -> Result<bool> {
        Ok(self.directory_row(&keys::secrets()).await?.is_some())
    }

    /// The key that cursors are sealed with.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the stack has none yet.
    pub async fn cursor_key(&self) -> Result<CursorKey> {
        let row = self.directory_row(&keys::secrets()).await?.ok_or(StoreError::Missing("cursor key"))?;
        let text = attr::get_text(&row, "cursor").map_err(|what| StoreError::corrupt("directory", what))?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| StoreError::corrupt("directory", "the cursor key is not base 64"))?;
        Ok(CursorKey::new(bytes))
    }
}
