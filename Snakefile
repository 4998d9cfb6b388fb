# The workflow itself is in workflow/; this file lets `snakemake` find it from the checkout.
include: "workflow/Snakefile"


# An included file does not set the default target.
workflow.default_target = "all"
