//! From Burn's attention layers and back.
//!
//! Parameters are taken over as they are, with their ids and training state: nothing is computed, so
//! nothing is rounded. Masks stay on the parameters of `MultiHeadAttention`; those of `CrossAttention`,
//! whose fields are private, are taken over only without.

use burn::nn::activation::Gelu;
use burn::nn::attention::{
    CrossAttention, CrossAttentionConfig, MultiHeadAttention, MultiHeadAttentionConfig,
};
use burn::nn::{Dropout, Linear};

use super::config::scale_of;
use super::parameters::Parameters;
use super::{AttentionError, GroupedQueryAttention};

impl GroupedQueryAttention {
    /// The same attention as `mha`, with its parameters.
    ///
    /// # Errors
    ///
    /// [`AttentionError::Setting`] or [`AttentionError::Shape`] if somebody changed the layer's
    /// fields so that they do not fit its weights.
    pub fn from_multi_head(mha: MultiHeadAttention) -> Result<Self, AttentionError> {
        // Every field is named, so that one which a later Burn adds is not overlooked.
        let MultiHeadAttention {
            query,
            key,
            value,
            output,
            dropout,
            activation: _,
            d_model: _,
            n_heads,
            d_k,
            min_float,
            quiet_softmax,
        } = mha;
        let attention = Self {
            query,
            key,
            value,
            output,
            dropout,
            n_heads,
            n_heads_kv: n_heads,
            d_qk: d_k,
            d_v: d_k,
            scale: scale_of(d_k),
            min_float,
            quiet_softmax,
        };
        attention.check()?;
        Ok(attention)
    }

    /// The same attention as `cross`, with its parameters.
    ///
    /// Its settings are private in Burn 0.22 and come from `config`, which it was made with.
    ///
    /// # Errors
    ///
    /// [`AttentionError::Setting`] or [`AttentionError::Shape`] if the parameters show that `config`
    /// is another layer's, [`AttentionError::Reparameterized`] if one of them carries a mask.
    pub fn from_cross_attention(
        cross: &CrossAttention,
        config: &CrossAttentionConfig,
    ) -> Result<Self, AttentionError> {
        let CrossAttentionConfig {
            d_model: _,
            d_context: _,
            n_heads,
            n_heads_kv,
            d_head,
            dropout,
            min_float,
            quiet_softmax,
        } = *config;
        let parameters = Parameters::of(cross, "CrossAttention")?;
        let attention = Self {
            query: parameters.linear("query")?,
            key: parameters.linear("key")?,
            value: parameters.linear("value")?,
            output: parameters.linear("output")?,
            dropout: Dropout {
                prob: dropout,
                training: parameters.flag("dropout.training")?,
            },
            n_heads,
            n_heads_kv,
            d_qk: d_head,
            d_v: d_head,
            scale: scale_of(d_head),
            min_float,
            quiet_softmax,
        };
        attention.check()?;
        Ok(attention)
    }

    /// The same attention as a layer of Burn, with these parameters.
    ///
    /// # Errors
    ///
    /// [`AttentionError::NotExpressible`] unless every query head has keys and values of its own, all
    /// heads are equally wide, heads × width is the width of all inputs and of the output, and scores
    /// are scaled by this width of a head; [`AttentionError::Setting`] or [`AttentionError::Shape`] if
    /// the sizes do not fit the weights.
    pub fn into_multi_head(self) -> Result<MultiHeadAttention, AttentionError> {
        self.check()?;
        expressible("MultiHeadAttention", self.beyond_multi_head())?;
        let [d_model, _] = self.query.weight.dims();
        Ok(MultiHeadAttention {
            query: self.query,
            key: self.key,
            value: self.value,
            output: self.output,
            dropout: self.dropout,
            activation: Gelu::new(),
            d_model,
            n_heads: self.n_heads,
            d_k: self.d_qk,
            min_float: self.min_float,
            quiet_softmax: self.quiet_softmax,
        })
    }

    /// The same attention as a layer of Burn, with these parameters, and the configuration of that
    /// layer.
    ///
    /// # Errors
    ///
    /// [`AttentionError::NotExpressible`] unless all heads are equally wide, key and value have inputs
    /// of one width, the output has the width of the query's input, every layer has a bias, and scores
    /// are scaled by the width of a head; [`AttentionError::Reparameterized`] if a parameter carries a
    /// mask; [`AttentionError::Setting`] or [`AttentionError::Shape`] if the sizes do not fit the
    /// weights.
    pub fn into_cross_attention(
        self,
    ) -> Result<(CrossAttention, CrossAttentionConfig), AttentionError> {
        const LAYER: &str = "CrossAttention";
        self.check()?;
        expressible(LAYER, self.beyond_cross_attention())?;
        let [d_model, _] = self.query.weight.dims();
        let [d_context, _] = self.key.weight.dims();
        let config =
            CrossAttentionConfig::new(d_model, d_context, self.n_heads, self.n_heads_kv, self.d_qk)
                .with_dropout(self.dropout.prob)
                .with_min_float(self.min_float)
                .with_quiet_softmax(self.quiet_softmax);
        // Parameters of a fresh layer are not drawn before they are read, and these are never read.
        let fresh = config.init(&self.query.weight.device());
        let cross = Parameters::of(&self, LAYER)?.put_into(fresh, LAYER)?;
        Ok((cross, config))
    }

    /// What Burn's layer has no room for.
    fn beyond_multi_head(&self) -> Option<String> {
        let Self {
            n_heads,
            n_heads_kv,
            d_qk,
            ..
        } = *self;
        if n_heads != n_heads_kv {
            return Some(format!(
                "{n_heads} query heads share {n_heads_kv} heads of keys and values"
            ));
        }
        if let Some(why) = self.beyond_one_width() {
            return Some(why);
        }
        let inner = n_heads * d_qk;
        for (what, width) in [
            ("the query's input", self.query.weight.dims()[0]),
            ("the key's input", self.key.weight.dims()[0]),
            ("the value's input", self.value.weight.dims()[0]),
            ("the output", self.output.weight.dims()[1]),
        ] {
            if width != inner {
                return Some(format!(
                    "{n_heads} heads of width {d_qk} make {inner}, and {what} is {width} wide"
                ));
            }
        }
        None
    }

    /// What Burn's layer has no room for.
    fn beyond_cross_attention(&self) -> Option<String> {
        if let Some(why) = self.beyond_one_width() {
            return Some(why);
        }
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|linear| linear.weight.dims()[0]);
        let [_, output] = self.output.weight.dims();
        if key != value {
            return Some(format!(
                "the key's input is {key} wide and the value's {value}"
            ));
        }
        if query != output {
            return Some(format!(
                "the query's input is {query} wide and the output {output}"
            ));
        }
        let layers = [
            ("query", &self.query),
            ("key", &self.key),
            ("value", &self.value),
            ("output", &self.output),
        ];
        let without = layers.iter().find(|(_, linear)| linear.bias.is_none());
        without.map(|(name, _)| format!("`{name}` has no bias"))
    }

    /// Both of Burn's layers have heads of one width, which gives the scale.
    fn beyond_one_width(&self) -> Option<String> {
        let Self {
            d_qk, d_v, scale, ..
        } = *self;
        if d_qk != d_v {
            return Some(format!(
                "heads of queries and keys are {d_qk} wide, heads of values {d_v}"
            ));
        }
        let burns = scale_of(d_qk);
        (scale != burns).then(|| {
            format!(
                "scores are scaled by {scale}, where Burn takes {burns} for heads of width {d_qk}"
            )
        })
    }

    /// Whether the sizes fit the weights and biases.
    ///
    /// # Errors
    ///
    /// [`AttentionError::Setting`] if the heads do not divide into groups, [`AttentionError::Shape`]
    /// with the first parameter that does not have the shape the sizes ask for.
    pub fn check(&self) -> Result<(), AttentionError> {
        let Self {
            n_heads,
            n_heads_kv,
            d_qk,
            d_v,
            ..
        } = *self;
        if n_heads_kv == 0 || !n_heads.is_multiple_of(n_heads_kv) {
            return Err(AttentionError::Setting {
                setting: "n_heads_kv",
                value: n_heads_kv.to_string(),
                expected: format!("a divisor of `n_heads` = {n_heads}"),
                remedy: "set both to what is left of `query` and `key`".into(),
            });
        }
        let q = (n_heads, "n_heads", d_qk, "d_qk");
        let k = (n_heads_kv, "n_heads_kv", d_qk, "d_qk");
        let v = (n_heads_kv, "n_heads_kv", d_v, "d_v");
        let contexts = (n_heads, "n_heads", d_v, "d_v");
        fits("query", &self.query, 1, q)?;
        fits("key", &self.key, 1, k)?;
        fits("value", &self.value, 1, v)?;
        fits("output", &self.output, 0, contexts)
    }
}

fn expressible(layer: &'static str, beyond: Option<String>) -> Result<(), AttentionError> {
    match beyond {
        None => Ok(()),
        Some(why) => Err(AttentionError::NotExpressible {
            layer,
            why,
            remedy: "keep the `GroupedQueryAttention`".into(),
        }),
    }
}

/// Whether a dimension of the weight of `linear` is heads × width, and its bias has the weight's
/// width.
fn fits(
    path: &str,
    linear: &Linear,
    dimension: usize,
    (heads, heads_name, width, width_name): (usize, &str, usize, &str),
) -> Result<(), AttentionError> {
    let remedy = "set the sizes to what is left of the weights";
    let shape = linear.weight.dims();
    if heads.checked_mul(width) != Some(shape[dimension]) {
        let mut expected = ["_".to_string(), "_".to_string()];
        expected[dimension] = format!("{heads_name} * {width_name} = {heads} * {width}");
        return Err(AttentionError::Shape {
            path: format!("{path}.weight"),
            expected: format!("[{}]", expected.join(", ")),
            got: shape.to_vec(),
            remedy: remedy.into(),
        });
    }
    match &linear.bias {
        Some(bias) if bias.dims() != [shape[1]] => Err(AttentionError::Shape {
            path: format!("{path}.bias"),
            expected: format!("[{}], the width of the weight", shape[1]),
            got: bias.dims().to_vec(),
            remedy: "slice the bias with the weight".into(),
        }),
        _ => Ok(()),
    }
}

impl From<MultiHeadAttentionConfig> for super::GroupedQueryAttentionConfig {
    /// The configuration that makes the same layer.
    fn from(config: MultiHeadAttentionConfig) -> Self {
        let MultiHeadAttentionConfig {
            d_model,
            n_heads,
            dropout,
            min_float,
            quiet_softmax,
            initializer,
            key_bias,
            value_bias,
            query_bias,
            output_bias,
        } = config;
        Self::new(d_model, n_heads)
            .with_dropout(dropout)
            .with_min_float(min_float)
            .with_quiet_softmax(quiet_softmax)
            .with_initializer(initializer)
            .with_key_bias(key_bias)
            .with_value_bias(value_bias)
            .with_query_bias(query_bias)
            .with_output_bias(output_bias)
    }
}
