//! What each layer of Burn stores about its size.

use secateur_core::layers::{LayerMut, MultiHeadAttentionMut, TransformerMut};

use super::Fitting;
use crate::error::StructureError;

type Fitted = Result<(), StructureError>;

impl Fitting<'_> {
    /// Fits the layer at `path` and checks that its parameters go together.
    pub(super) fn fit(&mut self, layer: &mut LayerMut<'_>) -> Fitted {
        match layer {
            LayerMut::MultiHeadAttention(heads) => {
                self.heads.insert(self.path.clone(), *heads.n_heads)
            }
            _ => None,
        };
        if !self.is_touched() {
            return Ok(());
        }
        match layer {
            LayerMut::Linear(_) => self.equal("bias", "weight", 1),
            LayerMut::Conv1d(conv) => {
                self.kernel(std::slice::from_mut(&mut conv.kernel_size));
                self.convolution("groups", &mut conv.groups)
            }
            LayerMut::Conv2d(conv) => {
                self.kernel(&mut conv.kernel_size);
                self.convolution("groups", &mut conv.groups)
            }
            LayerMut::Conv3d(conv) => {
                self.kernel(&mut conv.kernel_size);
                self.convolution("groups", &mut conv.groups)
            }
            LayerMut::DeformConv2d(conv) => {
                self.kernel(&mut conv.kernel_size);
                self.set("offset_groups", &mut conv.offset_groups, None)?;
                self.convolution("weight_groups", &mut conv.weight_groups)
            }
            LayerMut::ConvTranspose1d(conv) => {
                self.kernel(std::slice::from_mut(&mut conv.kernel_size));
                self.transposed(&mut conv.groups, &mut conv.channels)
            }
            LayerMut::ConvTranspose2d(conv) => {
                self.kernel(&mut conv.kernel_size);
                self.transposed(&mut conv.groups, &mut conv.channels)
            }
            LayerMut::ConvTranspose3d(conv) => {
                self.kernel(&mut conv.kernel_size);
                self.transposed(&mut conv.groups, &mut conv.channels)
            }
            LayerMut::BatchNorm(_) => ["beta", "running_mean", "running_var"]
                .iter()
                .try_for_each(|name| self.equal(name, "gamma", 0)),
            LayerMut::LayerNorm(_) => self.equal("beta", "gamma", 0),
            LayerMut::GroupNorm(norm) => {
                let channels = self.dim("gamma", 0).or(self.dim("beta", 0));
                let param = if norm.gamma.is_some() {
                    "gamma"
                } else {
                    "beta"
                };
                self.set_groups("num_groups", &mut norm.num_groups, param, 0)?;
                self.set("num_channels", &mut norm.num_channels, channels)?;
                self.divides("num_groups", norm.num_groups, norm.num_channels, "channels")?;
                self.equal("beta", "gamma", 0)
            }
            LayerMut::InstanceNorm(norm) => {
                let channels = self.dim("gamma", 0).or(self.dim("beta", 0));
                self.set("num_channels", &mut norm.num_channels, channels)?;
                self.equal("beta", "gamma", 0)
            }
            LayerMut::MultiHeadAttention(heads) => self.attention(heads),
            LayerMut::Rnn(rnn) => self.hidden("gate", &["gate"], rnn.d_hidden),
            LayerMut::Gru(gru) => {
                let gates = ["update_gate", "reset_gate", "new_gate"];
                self.hidden("update_gate", &gates, gru.d_hidden)
            }
            LayerMut::Lstm(lstm) => {
                let gates = ["input_gate", "forget_gate", "output_gate", "cell_gate"];
                self.hidden("cell_gate", &gates, lstm.d_hidden)
            }
            LayerMut::BiRnn(both) => self.both_ways("gate", both.d_hidden),
            LayerMut::BiGru(both) => self.both_ways("update_gate", both.d_hidden),
            LayerMut::BiLstm(both) => self.both_ways("cell_gate", both.d_hidden),
            LayerMut::TransformerEncoder(shown) => self.transformer("mha", shown),
            LayerMut::TransformerDecoder(shown) => self.transformer("self_attn", shown),
            // These store no size. An author's own layer keeps its sizes to itself.
            _ => Ok(()),
        }
    }

    /// A vector, if there is one, is as long as a dimension of another parameter.
    fn equal(&self, vector: &str, param: &str, dim: usize) -> Fitted {
        match (self.dim(vector, 0), self.dim(param, dim)) {
            (Some(len), Some(size)) if len != size => Err(self.inconsistent(format!(
                "`{vector}` has {len} elements, dimension {dim} of `{param}` has {size}"
            ))),
            _ => Ok(()),
        }
    }

    fn divides(&self, name: &str, groups: usize, size: usize, of: &str) -> Fitted {
        if groups > 0 && size.is_multiple_of(groups) {
            return Ok(());
        }
        Err(self.inconsistent(format!(
            "`{name}` is {groups}, which cannot share {size} {of}"
        )))
    }

    /// The kernel's own dimensions follow the two of the channels.
    fn kernel(&self, size: &mut [usize]) {
        if let Some(kernel) = self.dims("weight").and_then(|dims| dims.get(2..))
            && kernel.len() == size.len()
        {
            size.copy_from_slice(kernel);
        }
    }

    /// Weight `[out, in / groups, kernel]`.
    fn convolution(&mut self, name: &str, groups: &mut usize) -> Fitted {
        self.set_groups(name, groups, "weight", 0)?;
        let out = self.dim("weight", 0).unwrap_or(0);
        self.divides(name, *groups, out, "output channels")?;
        self.equal("bias", "weight", 0)
    }

    /// Weight `[in, out / groups, kernel]`.
    fn transposed(&mut self, groups: &mut usize, channels: &mut [usize; 2]) -> Fitted {
        self.set_groups("groups", groups, "weight", 0)?;
        let [ins, outs] = [0, 1].map(|dim| self.dim("weight", dim).unwrap_or(0));
        self.divides("groups", *groups, ins, "input channels")?;
        *channels = [ins, outs * *groups];
        match self.dim("bias", 0) {
            Some(len) if len != channels[1] => {
                let why = format!("`bias` has {len} elements for {} outputs", channels[1]);
                Err(self.inconsistent(why))
            }
            _ => Ok(()),
        }
    }

    /// Burn reshapes the heads' outputs to the query's width, so the two are equal.
    fn attention(&mut self, heads: &mut MultiHeadAttentionMut<'_>) -> Fitted {
        let [width, all] = [0, 1].map(|dim| self.dim("query.weight", dim).unwrap_or(0));
        self.set_groups("n_heads", heads.n_heads, "query.weight", 1)?;
        self.divides("n_heads", *heads.n_heads, all, "outputs of the query")?;
        self.set("d_k", heads.d_k, Some(all / *heads.n_heads))?;
        self.set("d_model", heads.d_model, Some(width))?;
        self.heads.insert(self.path.clone(), *heads.n_heads);
        if width == all {
            return Ok(());
        }
        Err(self.inconsistent(format!(
            "{} heads of {} make {all}, and Burn wants the width of the query, {width}",
            heads.n_heads, heads.d_k
        )))
    }

    /// The input weights of gates are `[in, hidden]`, their hidden ones `[hidden, hidden]`.
    fn hidden(&mut self, first: &str, gates: &[&str], d_hidden: &mut usize) -> Fitted {
        let hidden = self.dim(&format!("{first}.input_transform.weight"), 1);
        self.set("d_hidden", d_hidden, hidden)?;
        let expected = [*d_hidden; 2];
        for gate in gates {
            let name = format!("{gate}.hidden_transform.weight");
            let input = self.dim(&format!("{gate}.input_transform.weight"), 1);
            let recurrent = self.dims(&name);
            if recurrent.is_some_and(|dims| dims != expected)
                || input.is_some_and(|size| size != *d_hidden)
            {
                let why = format!("`{gate}` does not have a hidden state of {d_hidden}");
                return Err(self.inconsistent(why));
            }
        }
        Ok(())
    }

    fn both_ways(&mut self, gate: &str, d_hidden: &mut usize) -> Fitted {
        let [forward, reverse] = ["forward", "reverse"]
            .map(|way| self.dim(&format!("{way}.{gate}.input_transform.weight"), 1));
        if forward != reverse {
            let why = "its two directions keep hidden states of different sizes";
            return Err(self.inconsistent(why.into()));
        }
        self.set("d_hidden", d_hidden, forward)
    }

    /// What a transformer shows; its layers may differ, the first one stands for all.
    fn transformer(&mut self, attention: &str, shown: &mut TransformerMut<'_>) -> Fitted {
        let width = self.dim("layers.0.norm_1.gamma", 0);
        let inner = self.dim("layers.0.pwff.linear_inner.weight", 1);
        let heads = self.below(&format!("layers.0.{attention}"));
        let heads = self.heads.get(&heads).copied();
        self.set("d_model", shown.d_model, width)?;
        self.set("d_ff", shown.d_ff, inner)?;
        self.set("n_heads", shown.n_heads, heads)
    }
}
