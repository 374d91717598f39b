/** A card that is still to come. It is laid out by the rows of the real one, so it has exactly its size. */
export function SkeletonCard() {
  return (
    <div part="skeleton" className="rs:card rs:skeleton">
      <div className="rs:picture-frame" />
      <div className="rs:text-rows" />
      <div className="rs:price-row" />
      <div className="rs:reason-row" />
    </div>
  );
}
