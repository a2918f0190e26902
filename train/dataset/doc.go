// Package dataset finds the images and masks of a training set on disk, says
// what is wrong with them, splits them by patient, and loads them ready for
// sampling. It also puts together what is scored: predictions, truths and scans that
// belong to one case, and several raters' masks.
//
// # Layouts
//
// A file ending .nii is accepted wherever .nii.gz is named, and both in any case.
// Files that no case is made of are in Set.Unused, each with the reason.
//
//	challenge        CASE/flair_time01_on_middle_space.nii.gz, flair_time02_on_middle_space.nii.gz,
//	                 ground_truth.nii.gz, ground_truth_expert{1..4}.nii.gz, brain_mask.nii.gz (optional)
//	longitudinal     CASE/flair_time01.nii.gz, flair_time02.nii.gz, new_lesions.nii.gz, brainmask.nii.gz (optional)
//	cross-sectional  CASE/flair.nii.gz, lesions.nii.gz, brainmask.nii.gz (optional), white_matter.nii.gz (optional)
//	isbi2015         trainingNN/preprocessed/trainingNN_TT_flair_pp.nii, trainingNN/masks/trainingNN_TT_mask{1,2}.nii
//	msseg2016        Center_*/Patient_*/Preprocessed_Data/FLAIR_preprocessed.nii.gz, Masks/Consensus.nii.gz,
//	                 Masks/ManualSegmentation_{1..7}.nii.gz, Masks/Brain_Mask.nii.gz (optional)
//	nnunet           dataset.json, imagesTr/NAME_0000.nii.gz [NAME_0001.nii.gz], labelsTr/NAME.nii.gz
//	csv              a table with the columns case, time1 (or flair), mask and, if wanted, patient, time2, brainmask, white_matter
//
// Where a case has no brain mask its images are taken as skull-stripped: the
// brain is where all of them differ from zero. A map of the white matter's likelihood
// says where synthesis may put lesions.
package dataset
