"""A contest comes in; out goes what a platform needs to hold it, and a platform's downloads come back for the final.

Its modules:

    exporting    a folder for a platform: made whole, searched, described, moved into place
    secrecy      what never leaves, and the search for it in every byte
    archives     every file of an export, and every member of every archive in it
    kaggle       a competition at Kaggle
    cli          the command groups export and import
"""
