"""JavaScript that notes how old rows are when they are drawn, whatever shows them."""

NOTE_AGES = r"""
    const timeOf = (text) => {
        const [, ...parts] = text.trim().match(/^(\d\d):(\d\d):(\d\d)\.(\d{3})$/) ?? [];
        return parts.length ? parts.reduce((sum, part, at) => sum + part * [3600000, 60000, 1000, 1][at], 0) : null;
    };
    let newest = null;
    window.ages = [];
    const look = () => {
        const shown = newestShown();
        if (shown !== null && shown !== newest) {
            const before = newest ?? shown;
            newest = shown;
            requestAnimationFrame(() => {
                const now = inDay(Date.now());
                for (let time = before + 1; time <= shown; time++) ages.push(now - time);
            });
        }
        requestAnimationFrame(look);
    };
    look();
"""
"""Notes in `ages` how old each row is when a drawing with it, or with one that is newer, is on the screen.

There is a row a millisecond. The newest is looked for before each frame, and its age is that at the frame after. What
stands before this says by `newestShown()` which that is, its `timeOf` the text of a cell, null where none is there yet;
and by `inDay(time)` how many milliseconds of a day have passed by the clock that the cells show.
"""
