package augment

type Record = augmentRecord

var ApplyRecipe = applyRecipe
