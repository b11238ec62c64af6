using System.Runtime.InteropServices;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The checksums of one backing file: an open <c>.sum</c> file with the entry pages that were touched, held in memory.
/// Every change is written through to the page cache at once, so a killed process loses nothing; <see cref="Flush"/>
/// makes it durable.
/// </summary>
/// <remarks>
/// Changes come from one thread at a time (the column's write lock). Entries are read by any thread: <c>_state</c> is a
/// leaf lock over the page table, held for copies only. Pages stay until the file is closed: 4 KiB for each 16 MiB
/// touched.
/// </remarks>
internal sealed partial class SideFile : IDisposable
{
    private readonly Lock _state = new();
    private readonly ColumnId _column;
    private readonly SafeFileHandle _file;
    private volatile SideBook[] _books = [];
    private readonly Dictionary<long, SidePage> _pages = [];
    private int _intentSyncCount;

    private SideFile(ColumnId column, SafeFileHandle file, string path)
    {
        _column = column;
        _file = file;
        FilePath = path;
    }

    internal string FilePath { get; }

    /// <summary>Whether pages are marked as half overwritten: after opening, the column needs a recovery
    /// first.</summary>
    internal bool HasIntent
    {
        get
        {
            foreach (SideBook book in _books)
            {
                if (book.HasIntent)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Whether the file was left with writes that no flush covered.</summary>
    internal bool IsUnflushed => _books[0].IsUnflushed;

    /// <summary>Whether no flush ever ended and no overwrite was marked.</summary>
    internal bool IsFresh => _books.Length == 1 && _books[0].IsFresh;

    /// <summary>How many pages are held, a count.</summary>
    internal int PageCount => _pages.Count;

    /// <summary>The groups whose entries this process changed since the last flush, in order.</summary>
    internal List<long> GetDirtyGroups()
    {
        List<long> groups = [];
        lock (_state)
        {
            foreach ((long group, SidePage page) in _pages)
            {
                if (page.IsDirty)
                {
                    groups.Add(group);
                }
            }
        }

        groups.Sort();
        return groups;
    }

    /// <summary>How many groups the file's heads cover, a count.</summary>
    internal long GroupCount => (long)_books.Length * SideBook.GroupCount;

    /// <summary>Makes a new side file; the backing file was just made too.</summary>
    internal static SideFile Create(ColumnId column, SafeFileHandle file, string path)
    {
        SideFile side = new(column, file, path);
        side._books = [new SideBook { IsUnflushed = true }];
        side.WriteBook(0);
        return side;
    }

    /// <summary>Opens what is there; a head that cannot be read makes absent entries count as damage.</summary>
    internal static SideFile Open(ColumnId column, SafeFileHandle file, string path)
    {
        SideFile side = new(column, file, path);
        Span<byte> block = stackalloc byte[SideBook.PageBytes];
        int bookCount = 1;
        for (int index = 0; index < bookCount; index++)
        {
            block.Clear();
            DurableFile.Read(file, path, block, index * SideBook.BookBytes);
            SideBook? book = SideBook.Decode(block, column, index);
            if (index == 0)
            {
                long bySize = (RandomAccess.GetLength(file) + SideBook.BookBytes - 1) / SideBook.BookBytes;
                bookCount = book?.BookCount ?? (int)Math.Max(1, bySize);
            }

            book ??= SideBook.Damaged();
            side._books = [.. side._books, book];
        }

        side._books[0].BookCount = bookCount;
        return side;
    }

    /// <summary>Copies the entries of chunks that lie on one page; loads the page if needed. Any thread.</summary>
    internal void ReadEntries(long firstChunk, Span<ChunkEntry> entries)
    {
        (long group, long slot) = Math.DivRem(firstChunk, SideBook.PageEntryCount);
        lock (_state)
        {
            if (_pages.TryGetValue(group, out SidePage? page))
            {
                page.Entries.AsSpan((int)slot, entries.Length).CopyTo(entries);
                return;
            }
        }

        SidePage loaded = Load(group);
        lock (_state)
        {
            if (!_pages.TryAdd(group, loaded))
            {
                loaded = _pages[group];
            }

            loaded.Entries.AsSpan((int)slot, entries.Length).CopyTo(entries);
        }
    }

    /// <summary>How many groups can have anything stored: those beyond are holes.</summary>
    internal long StoredGroupCount
    {
        get
        {
            long pages = (RandomAccess.GetLength(_file) + SideBook.PageBytes - 1) / SideBook.PageBytes;
            (long books, long rest) = Math.DivRem(pages, 1L + SideBook.GroupCount);
            return (books * SideBook.GroupCount) + Math.Max(0, rest - 1);
        }
    }

    /// <summary>
    /// Copies the entries of a group, of those that are absent what they stand for, and keeps nothing in memory. Any
    /// thread.
    /// </summary>
    /// <returns>False where nothing of the group was ever stored: it is a hole as a whole.</returns>
    internal bool PeekGroup(long group, Span<ChunkEntry> entries)
    {
        lock (_state)
        {
            if (_pages.TryGetValue(group, out SidePage? page))
            {
                page.Entries.CopyTo(entries);
                return true;
            }
        }

        if (group >= StoredGroupCount && !(group / SideBook.GroupCount < _books.Length
            && BookOf(group).IsSettled((int)(group % SideBook.GroupCount))))
        {
            return false;
        }

        SidePage loaded = Load(group);
        loaded.Entries.CopyTo(entries);
        return loaded.IsStored;
    }

    /// <summary>The page of a group, loaded. Under the column's write lock.</summary>
    internal SidePage GetPage(long group)
    {
        lock (_state)
        {
            if (_pages.TryGetValue(group, out SidePage? page))
            {
                return page;
            }
        }

        SidePage loaded = Load(group);
        lock (_state)
        {
            _pages.TryAdd(group, loaded);
            return _pages[group];
        }
    }

    /// <summary>
    /// Makes room on disk for the entries of a range of chunks and notes that writes follow: so a full file system
    /// fails before any data was touched. Under the write lock.
    /// </summary>
    internal void Prepare(long firstChunk, long lastChunk)
    {
        MarkUnflushed();
        for (long group = firstChunk / SideBook.PageEntryCount; group <= lastChunk / SideBook.PageEntryCount; group++)
        {
            SidePage page = GetPage(group);
            if (!page.IsStored)
            {
                AddBooks((int)(group / SideBook.GroupCount));
                WriteEntries(group, 0, page.Entries);
                page.IsStored = true;
            }
        }
    }

    /// <summary>Notes that there are changes which no flush covers. Under the write lock.</summary>
    internal void MarkUnflushed()
    {
        if (!_books[0].IsUnflushed)
        {
            _books[0].IsUnflushed = true;
            WriteBook(0);
        }
    }

    /// <summary>Sets the entry of one chunk in memory; <see cref="WriteEntries"/> or <see cref="StoreEntries"/>
    /// follows.</summary>
    internal void SetEntry(long chunk, ChunkEntry entry)
    {
        (long group, long slot) = Math.DivRem(chunk, SideBook.PageEntryCount);
        SidePage page = GetPage(group);
        lock (_state)
        {
            page.Entries[slot] = entry;
            page.SetDirty((int)slot, entry.IsUnflushed);
        }
    }

    /// <summary>Takes the current half of an entry over as durable; its mark as changed stays. Under the write
    /// lock.</summary>
    internal void PromoteEntry(SidePage page, int slot)
    {
        lock (_state)
        {
            page.Entries[slot] = page.Entries[slot].Promoted();
        }
    }

    /// <summary>Writes the entries of a range of chunks through. Under the write lock.</summary>
    internal void StoreEntries(long firstChunk, long lastChunk)
    {
        for (long chunk = firstChunk; chunk <= lastChunk;)
        {
            (long group, long slot) = Math.DivRem(chunk, SideBook.PageEntryCount);
            int count = (int)Math.Min(SideBook.PageEntryCount - slot, lastChunk - chunk + 1);
            WriteEntries(group, (int)slot, GetPage(group).Entries.AsSpan((int)slot, count));
            chunk += count;
        }
    }

    /// <summary>
    /// Writes the entries of a range of chunks through with the mark of an overwrite where they have unflushed bytes;
    /// <see cref="StoreEntries"/> takes the marks back. In memory nothing changes. Under the write lock.
    /// </summary>
    internal void StoreMarked(long firstChunk, long lastChunk)
    {
        Span<ChunkEntry> marked = stackalloc ChunkEntry[SideBook.PageEntryCount];
        for (long chunk = firstChunk; chunk <= lastChunk;)
        {
            (long group, long slot) = Math.DivRem(chunk, SideBook.PageEntryCount);
            int count = (int)Math.Min(SideBook.PageEntryCount - slot, lastChunk - chunk + 1);
            GetPage(group).Entries.AsSpan((int)slot, count).CopyTo(marked);
            foreach (ref ChunkEntry entry in marked[..count])
            {
                entry = entry.IsUnflushed && !entry.IsAbsent ? entry.Marked() : entry;
            }

            WriteEntries(group, (int)slot, marked[..count]);
            chunk += count;
        }
    }

    /// <summary>
    /// Marks the pages of a range as half overwritten and makes the marks durable, if they are not yet. Each time this
    /// costs a flush within one interval it marks twice as much around, so scattered overwrites pay for few. Under the
    /// write lock.
    /// </summary>
    internal void Intend(long firstChunk, long lastChunk)
    {
        long firstGroup = firstChunk / SideBook.PageEntryCount;
        long lastGroup = lastChunk / SideBook.PageEntryCount;
        bool isMarked = true;
        for (long group = firstGroup; group <= lastGroup; group++)
        {
            isMarked &= IsIntended(group);
        }

        if (isMarked)
        {
            return;
        }

        long run = 1L << Math.Min(_intentSyncCount++, 10);
        long last = Math.Min((lastGroup / run * run) + run - 1, ((long)_books.Length * SideBook.GroupCount) - 1);
        for (long group = firstGroup / run * run; group <= last; group++)
        {
            BookOf(group).Intend((int)(group % SideBook.GroupCount));
        }

        for (int book = (int)(firstGroup / run * run / SideBook.GroupCount); book <= last / SideBook.GroupCount; book++)
        {
            WriteBook(book);
        }

        Flush();
    }

    /// <summary>Whether a group is marked as half overwritten.</summary>
    internal bool IsIntended(long group) => BookOf(group).IsIntended((int)(group % SideBook.GroupCount));

    /// <summary>The groups marked as half overwritten.</summary>
    internal List<long> GetIntendedGroups()
    {
        List<long> groups = [];
        for (int book = 0; book < _books.Length; book++)
        {
            for (int group = 0; group < SideBook.GroupCount; group++)
            {
                if (_books[book].IsIntended(group))
                {
                    groups.Add(((long)book * SideBook.GroupCount) + group);
                }
            }
        }

        return groups;
    }

    /// <summary>After a flush: the touched pages are settled, and no write is uncovered. Not made durable at once.
    /// Under the write lock.</summary>
    internal void MarkFlushed(IEnumerable<long> groups)
    {
        bool[] changed = new bool[_books.Length];
        changed[0] = _books[0].IsUnflushed;
        _books[0].IsUnflushed = false;
        _intentSyncCount = 0;
        foreach (long group in groups)
        {
            SideBook book = BookOf(group);
            int inBook = (int)(group % SideBook.GroupCount);
            if (!book.IsSettled(inBook))
            {
                book.Settle(inBook);
                changed[group / SideBook.GroupCount] = true;
            }
        }

        WriteBooks(changed);
    }

    /// <summary>Takes the intent marks back, after a flush. Under the write lock.</summary>
    internal void ClearIntent()
    {
        bool[] changed = new bool[_books.Length];
        for (int book = 0; book < _books.Length; book++)
        {
            changed[book] = _books[book].HasIntent;
            _books[book].ClearIntent();
        }

        WriteBooks(changed);
    }

    /// <summary>Makes everything written through durable.</summary>
    internal void Flush() => DurableFile.FlushData(_file, FilePath);

    public void Dispose() => _file.Dispose();

    private SideBook BookOf(long group) => _books[(int)(group / SideBook.GroupCount)];

    private SidePage Load(long group)
    {
        SidePage page = new();
        int book = (int)(group / SideBook.GroupCount);
        bool isSettled = false;
        if (book < _books.Length)
        {
            DurableFile.Read(_file, FilePath, MemoryMarshal.AsBytes(page.Entries.AsSpan()), PageOffset(group));
            isSettled = _books[book].IsSettled((int)(group % SideBook.GroupCount));
        }

        for (int slot = 0; slot < page.Entries.Length; slot++)
        {
            if (!page.Entries[slot].IsAbsent)
            {
                page.IsStored = true;
            }
            else if (!isSettled)
            {
                page.Entries[slot] = ChunkEntry.Hole(_column, (group * SideBook.PageEntryCount) + slot);
            }
        }

        page.IsStored |= isSettled;
        return page;
    }

    private static long PageOffset(long group) =>
        (group / SideBook.GroupCount * SideBook.BookBytes) + ((1 + (group % SideBook.GroupCount)) * SideBook.PageBytes);

    private void WriteEntries(long group, int slot, ReadOnlySpan<ChunkEntry> entries) =>
        DurableFile.Write(_file, FilePath, MemoryMarshal.AsBytes(entries),
            PageOffset(group) + (slot * ChunkEntry.EntryBytes));

    private void AddBooks(int lastBook)
    {
        if (lastBook < _books.Length)
        {
            return;
        }

        // Heads first, their count after: a book below the count that cannot be read is then always damage.
        while (_books.Length <= lastBook)
        {
            _books = [.. _books, new SideBook()];
            WriteBook(_books.Length - 1);
        }

        Flush();
        _books[0].BookCount = _books.Length;
        WriteBook(0);
    }

    private void WriteBooks(bool[] changed)
    {
        for (int book = 0; book < changed.Length; book++)
        {
            if (changed[book])
            {
                WriteBook(book);
            }
        }
    }

    private void WriteBook(int index)
    {
        Span<byte> block = stackalloc byte[SideBook.PageBytes];
        _books[index].Encode(block, _column, index);
        DurableFile.Write(_file, FilePath, block, index * SideBook.BookBytes);
    }
}
