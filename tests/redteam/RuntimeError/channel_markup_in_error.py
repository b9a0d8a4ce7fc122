# ATTACK [channel]: raises an error whose text holds terminal commands, HTML, bidirectional marks and half characters
# STOPPED BY: messages are made plain and cut to 4,096 characters; pages escape them


class Error(Exception):
    def __str__(self):
        return "\x1b]0;own title\x07\x1b[2J\x9b31m</pre><script>alert(1)</script>\u202etxt.\u2066\ud800\0" * 500


def your_select_indices(targets, losses):
    raise Error
