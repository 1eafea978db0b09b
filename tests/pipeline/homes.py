"""Names in the test workspaces."""

DATASET = "Dataset001_Test"
MODEL = "recurrence_classifier__glioframePlans__3d_cnn"
SHORT = ["--set", "training.epochs=2", "--set", "training.iterations_per_epoch=2", "--set", "plan.batch_size=2"]
TRAIN = ["1", "recurrence_classifier", "3d_cnn"]
