"""What strangers may ask, and be told: every limit, with its unit and its reason. Pure."""

from __future__ import annotations

VERSION = 1  # of the form of questions and answers

# Who asks.
ASKERS_MAX = 256  # of one endpoint, if nothing else is said: each may have a whole answer waiting
ASKERS_LIMIT = 4_096  # with 1 GiB of answers that nobody takes
UNREAD_S = 30.0  # seconds in which an asker takes nothing of its answer: then it is closed
READ_BYTES = 4 * 1024  # of an asker in a turn: some 40 questions, or 1,400 that say nothing
REPLYING_S = 1.0  # seconds at the end of an endpoint for the answers on their way

# How much is asked. An asker is left unread until it has all its answers, so no more waits of it.
MESSAGE_BYTES_MAX = 64 * 1024  # a question with its envelope; who sends more is closed
QUESTION_BYTES_MAX = 16 * 1024  # 64 topics of the longest kind; a longer one is answered: an error
TOPICS_MAX = 1_000  # in one question: each is a look
TOPIC_BYTES_MAX = 255  # of a topic that is asked for: longer ones have no last value
ID_BYTES_MAX = 64  # of what an asker calls its question, which is in the answer

# How much is answered. There is more where it says so.
ANSWER_BYTES_MAX = 256 * 1024  # about what a socket takes at once
HEAD_BYTES = 1_024  # of that, for what is no entry of a list
ENTRIES_MAX = 10_000  # in one answer: some 20 bytes each would fill it
ERROR_SHOWN_MAX = 200  # characters of what is wrong

# How long it takes. Questions are answered in turn, one of each asker.
QUESTIONS_PER_S = 200  # of one asker: a page for people needs one, a list of pages 64 MiB/s
QUESTIONS_BURST = 400  # of one asker at once, saved up in two seconds
ADDRESS_QUESTIONS_PER_S = 2_000  # of all askers of one address: ten busy ones, say of a web server
ADDRESS_QUESTIONS_BURST = 4_000  # of these at once, as of one asker
ADDRESSES_MAX = 4_096  # of which that is known: as many as askers
CREDIT_S = 0.001  # a question that takes longer counts for several
QUESTION_S = 0.02  # for one; what is not found by then is in the next
WORK_S = 0.001  # of answering in a row, in which nobody publishes: then it pauses for as long
PAUSE_MAX_S = 0.02  # and for no longer than this

# Topics with their rates.
SURVEY_S = 1.0  # for so long one is good for all who ask
SURVEYS_KEPT = 2  # so lists that have begun go on for as long again, at least
SURVEY_WORK_S = 0.5  # to make one; a log of 1,048,576 messages takes 0.2 to 0.4
SURVEY_TOPICS_MAX = 65_536  # in one: those that were published last
RATE_S = 10.0  # of the log, over which rates are meant
STRIDE = 1_024  # messages, or places, between looks at the clock: 0.1 to 1 ms
