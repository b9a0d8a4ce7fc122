"""Browsers' requests come in, with links and notebooks; out go pages, receipts, and gradings as of `grader batch`.

Two processes: the web process, which knows the store's public view and no data, and the one that grades. Its modules:

    site         what one site is, and what it remembers between requests
    app          which address leads where
    guard        what holds for every request
    asking       who asks, and what they may see
    entering     a link is exchanged for a session
    receiving    a notebook comes in
    own          a participant's own submissions
    showing      the pages that are looked at
    live         a submission's progress, as it goes
    watch        one look at the queue for all who listen
    hall         the board for a hall, the final ranking, what was announced
    organizing   the organizers' page, and its buttons
    page         the frame of all pages
    story        the task's story
    reports      where reports and results lie
    handout      the public data as one zip
    work         grades what was received
    asked        what organizers asked for, done by the process that grades
    running      the web server
    heads        closes connections that never ask
    serving      the commands serve and work
    inviting     the command invite
    submitting   the command submit
"""
