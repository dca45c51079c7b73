//! Options, vectors, arrays and tuples of modules, walked as Burn visits them.

use super::{Holder, LayerWalk, Prunable};

impl<T: Prunable> Prunable for Option<T> {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        if self.is_some() && walk.takes_out(Holder::Option) {
            *self = None;
        }
        if let Some(module) = self {
            module.collect_layers(walk);
        }
    }
}

impl<T: Prunable> Prunable for Vec<T> {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        // Items that stay keep their old places on this walk, so that all paths are those of before.
        let mut place = 0;
        let mut places = Vec::with_capacity(self.len());
        self.retain(|_| {
            walk.enter(&place.to_string());
            let stays = !walk.takes_out(Holder::List);
            walk.exit();
            if stays {
                places.push(place);
            }
            place += 1;
            stays
        });
        for (place, module) in places.into_iter().zip(self) {
            walk.field(&place.to_string(), module);
        }
    }
}

impl<T: Prunable, const N: usize> Prunable for [T; N] {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        self.as_mut_slice().collect_layers(walk);
    }
}

impl<T: Prunable> Prunable for [T] {
    fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
        for (index, module) in self.iter_mut().enumerate() {
            walk.field(&index.to_string(), module);
        }
    }
}

/// As many elements as Burn's `Module` has.
macro_rules! tuple {
    ($($module:ident $index:tt),+) => {
        impl<$($module: Prunable),+> Prunable for ($($module,)+) {
            fn collect_layers<'a>(&'a mut self, walk: &mut LayerWalk<'a>) {
                $(walk.field(stringify!($index), &mut self.$index);)+
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
